"""Command line: in processes of its own, and a whole training in this one."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from tests import in_process
from tests.terminal import on_a_terminal

ENTRY = [sys.executable, "-c", "from uninote.cli import main; main()"]


def uninote(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENTRY, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    done = uninote("sample", "--out", folder / "sample", "--count", "12", "--json")
    assert json.loads(done.stdout)["count"] == 12
    return folder


def test_every_command_explains_itself() -> None:
    from typer.main import get_command

    from uninote.cli import app

    def commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        inner = getattr(group, "commands", {})
        return [p for name, each in inner.items() for p in commands(each, (*path, name))] or [path]

    root = get_command(app)
    names = {path[0] for path in commands(root)}
    expected = [
        "sample",
        "annotate",
        "links",
        "pairs",
        "mine",
        "train",
        "evaluate",
        "embed",
        "index",
        "search",
        "serve",
        "db",
        "bench",
        "merge",
        "stress",
        "cluster",
        "corpus",
        "export",
        "demo",
        "info",
    ]
    assert names == set(expected)
    for path in commands(root):
        command = root
        for name in path:
            command = command.commands[name]  # type: ignore[attr-defined]
        assert command.help, path
        for option in command.params:
            assert option.name == "as_json" or getattr(option, "help", ""), (path, option.name)


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["pairs", "missing.jsonl"], "missing.jsonl"),
        (["search", "--index", "nowhere", "--text", "x"], "uninote index"),
        (["search", "--index", "nowhere"], "--text"),
        (["serve", "--index", "nowhere", "--port", "0"], "uninote index"),
        (["info", "--set", "sft.stepz=3"], "stepz"),
        (["info", "--set", "sft.steps=-1"], "sft.steps"),
        (["info", "--set", "nonsense"], "section.field=value"),
        (["info", "--set", "sft.steps=[1"], "not valid YAML: line 1, column 3"),
        (["info", "--set", "sft=3", "--set", "sft.steps=1"], "leave one out"),
        (["info", "--set", "a..b=1"], "section.field=value"),
        (["info", "--config", "missing.yaml"], "missing.yaml"),
        (["info", "damaged"], "damaged/index.json cannot be read: it is no JSON at character 2"),
        (["embed", "missing.jsonl", "--model", "nowhere"], "missing.jsonl"),
    ],
)
def test_a_mistake_is_one_line_with_the_fix_and_exit_code_2(
    words: list[str], fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "index.json").write_text("{")
    done = uninote(*words)
    assert done.returncode == 2
    assert fix in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_the_version() -> None:
    done = uninote("--version")
    assert (done.returncode, done.stdout) == (0, f"uninote {version('uninote')}\n")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("demo notes.jsonl", "did you mean --notes notes.jsonl or --out notes.jsonl?"),
        ("search 'a red boat'", "did you mean --text 'a red boat' or --index 'a red boat'?"),
        ("serve folder", "did you mean --index folder or --notes folder?"),
        ("stress http://host", "did you mean --url http://host"),
        ("db index folder", "did you mean --index folder?"),
        ("sample folder", "did you mean --out folder?"),
        ("train sft examples.jsonl model", "did you mean --model model or --out model?"),
    ],
)
def test_an_argument_without_its_option_gets_the_option(words: str, hint: str) -> None:
    from typer.testing import CliRunner

    from uninote.cli import app

    done = CliRunner().invoke(app, shlex.split(words), env={"TERMINAL_WIDTH": "200", "COLUMNS": "200"})
    assert done.exit_code == 2
    assert hint in " ".join(done.output.replace("│", " ").split())


def test_config_file_and_set_reach_the_settings(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("sft:\n  steps: 5\n  batch_size: 6\n")
    done = uninote("info", "--json", "--config", config, "--set", "sft.steps=9")
    settings = json.loads(done.stdout)["settings"]
    assert (settings["sft"]["steps"], settings["sft"]["batch_size"]) == (9, 6)


@pytest.mark.slow
def test_step_by_step(folder: Path) -> None:
    uninote = in_process.uninote
    notes, tiny = folder / "sample" / "notes.jsonl", ["--set", "encoder.read=given"]
    made = uninote(
        "pairs", notes, "--out", folder / "pairs.jsonl", "--task", "I2T", "--task", "T2Note", "--json"
    )
    assert json.loads(made.stdout)["counts"]["I2T"] > 0
    features = ["--features", str(folder / "features")]
    examples = folder / "examples.jsonl"
    mined = uninote("mine", folder / "pairs.jsonl", "--out", examples, *features, *tiny, "--json")
    assert json.loads(mined.stdout)["count"] == sum(json.loads(made.stdout)["counts"].values())
    sft = folder / "sft"
    steps = ["--set", "sft.steps=1", "--set", "sft.batch_size=4"]
    trained = uninote("train", "sft", examples, "--out", sft, *features, *tiny, *steps, "--json")
    version, moved = (json.loads(trained.stdout)[name] for name in ("version", "movement"))
    assert moved["distance"] > 0
    assert moved["without_gradient"] == 0
    alone = ["--set", "sft.batch_size=1", "--set", "sft.negatives_per_query=0", "--quiet"]
    refused = uninote("train", "sft", examples, "--out", folder / "alone", *features, *tiny, *alone)
    assert refused.returncode == 2
    assert "stage 1 cannot learn" in refused.stderr
    steps += ["--set", "rl.steps=1", "--set", "rl.batch_size=2"]
    ranked = ["train", "rl", notes, "--model", sft, "--examples", examples, "--out", folder / "rl"]
    uninote(*ranked, *features, *tiny, *steps, "--quiet")
    assert "stage_one" in (folder / "rl" / "run" / "metrics.jsonl").read_text()
    embedded = uninote("embed", notes, "--model", sft, "--out", folder / "vectors", *features, "--json")
    assert json.loads(embedded.stdout)["failed"] == 0
    index = ["index", folder / "vectors", "--model", sft, "--out", folder / "index", "--json"]
    loaded = uninote(*index)
    count = json.loads(loaded.stdout)["count"]
    assert count == json.loads(embedded.stdout)["count"]
    assert version in uninote("info", sft).stdout

    # Progress without a terminal: a plain line per step.
    for done, step in (
        (trained, "training, loss .*: 1"),
        (embedded, "embedding, shards: 1"),
        (loaded, f"indexing: {count}"),
    ):
        assert re.search(rf"^{step} in \d+\.\d s$", done.stderr, re.MULTILINE), done.stderr
        assert all(line.strip() and line.isprintable() for line in done.stderr.splitlines())
    shown = on_a_terminal([*ENTRY, *map(str, index)])
    assert "━" in shown
    assert f"{count}/{count}" in shown
    assert uninote(*index, "--quiet").stderr == ""
