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
from tests.encoder.tiny_qwen import build_tiny_qwen
from tests.training import qwen_runs, two_processes
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
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
    model = build_tiny_qwen(one / "qwen")
    two_processes.run_all(one)
    qwen_runs.run_qwen(one, model)
    torchrun(Path(two_processes.__file__), str(two), str(model))
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


@pytest.mark.parametrize("stage", ["sft", "rl"])
@pytest.mark.parametrize("case", qwen_runs.CASES)
def test_a_share_without_pictures_trains_the_tower_too(
    runs: tuple[Path, Path], stage: str, case: str
) -> None:
    one, two = runs[0] / f"{stage}-ddp", runs[1] / f"{stage}-{case}"
    for mine, theirs in zip(metrics(one), metrics(two), strict=True):
        assert theirs == pytest.approx(mine, rel=1e-3, abs=1e-4)
    alone, *whole = (load_file(one / "whole-0.safetensors"), *processes(two))
    for name, tensor in alone.items():
        assert torch.equal(whole[0][name], whole[1][name])  # the same on both, and nothing left in parts
        assert torch.allclose(whole[0][name], tensor, atol=2e-4), name
    start = dict(qwen_runs.start(runs[0] / "qwen").backbone.named_parameters())  # type: ignore[attr-defined]
    for name, before in start.items():
        assert torch.equal(before, alone[name]) != before.requires_grad, name


def test_each_process_holds_half_of_the_frozen_weights(runs: tuple[Path, Path]) -> None:
    for case, share in {"ddp": 1.0, "fsdp": 0.5, "fsdp-chunks": 0.5}.items():
        held = [float((runs[1] / f"sft-{case}" / f"share-{rank}").read_text()) for rank in (0, 1)]
        assert held == pytest.approx([share] * 2, abs=0.01)


def test_killed_and_resumed_under_fsdp_ends_with_the_same_bits(runs: tuple[Path, Path]) -> None:
    _, two = runs
    assert metrics(two / "sft-cut") == metrics(two / "sft-fsdp")
    for mine, theirs in zip(processes(two / "sft-cut"), processes(two / "sft-fsdp"), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def processes(folder: Path) -> list[dict[str, torch.Tensor]]:
    return [load_file(folder / f"whole-{rank}.safetensors") for rank in (0, 1)]
