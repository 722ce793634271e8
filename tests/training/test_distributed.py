"""Two processes over gloo, started by `torchrun`, go the way of one process on the same global batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.training import two_processes
from tests.training.tiny_backbone import TinyBackbone

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def torchrun(script: Path, *arguments: str, processes: int = 2) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*command, str(processes), str(script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    two_processes.run_all(one)
    torchrun(Path(two_processes.__file__), str(two))
    return one, two


def metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", [*two_processes.SFT, "rl"])
def test_two_processes_equal_one(runs: tuple[Path, Path], case: str) -> None:
    one, two = (metrics(folder / case) for folder in runs)
    assert [line["step"] for line in two] == [line["step"] for line in one]  # rank 0 alone writes
    for mine, theirs in zip(one, two, strict=True):
        assert theirs == pytest.approx(mine, rel=1e-4, abs=1e-5)
    start = dict(TinyBackbone().named_parameters())
    weights = [load_file(runs[0] / case / "weights-0.safetensors")]
    weights += [load_file(runs[1] / case / f"weights-{rank}.safetensors") for rank in (0, 1)]
    for name, tensor in weights[0].items():
        assert torch.equal(weights[1][name], weights[2][name])
        assert torch.allclose(weights[1][name], tensor, atol=1e-5)
        assert bool((tensor - start[name]).abs().max() > 1e-3) == start[name].requires_grad


def test_one_process_saves_the_model_of_all(runs: tuple[Path, Path]) -> None:
    _, two = runs
    assert (two / "model" / "saves").read_text() == "saved\n"
    version = json.loads((two / "model" / "uninote.json").read_text())["version"]
    assert [(two / f"version-{rank}").read_text() for rank in (0, 1)] == [version] * 2


def test_killed_and_resumed_ends_with_the_same_bits(runs: tuple[Path, Path]) -> None:
    for folder in runs:
        assert metrics(folder / "cut") == metrics(folder / "batch")
        files = [load_file(folder / case / "weights-0.safetensors") for case in ("cut", "batch")]
        assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
        kept = [p for p in (folder / "cut").rglob("events*") if p.is_file()]
        assert len(kept) == 2  # it was cut, and resumed


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_a_step_under_fsdp_equals_one_process(runs: tuple[Path, Path], chunk_size: int | None) -> None:
    plain, start = two_processes.one_step(None, sharded=False), dict(TinyBackbone().named_parameters())
    for rank in (0, 1):
        sharded = load_file(runs[1] / f"fsdp-{chunk_size}-{rank}.safetensors")
        assert sharded.keys() == plain.keys()
        for name, tensor in plain.items():
            assert torch.allclose(sharded[name], tensor, atol=1e-6)
            assert not torch.allclose(start[name], tensor, atol=1e-3)
