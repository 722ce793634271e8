"""`uninote evaluate --hard`, and the model of the package in `uninote info`, as a user meets them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from uninote.cli import app
from uninote.errors import ConfigError
from uninote.sample.notes import write_sample
from uninote.shipped import COMPACT, HOME

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample"), 5, seed=3)


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_hard_truth_joins_the_report(notes: Path, tmp_path: Path) -> None:
    rest = [
        "--whole",
        "--quiet",
        "--json",
        "--set",
        "encoder.vision_side=64",
        "--set",
        "evaluation.bootstrap=20",
    ]
    told = json.loads(run("evaluate", notes, "--hard", "--edited", "1", "--out", tmp_path, *rest))
    hard = told["hard"]
    assert hard["methods"] == ["base", "raw vision tower", "perceptual hash", "BM25"]
    duplicates = hard["groups"]["Near duplicates"]
    assert len(duplicates) == 16
    assert all(duplicates["resize: picture"][name]["recall@1"] == 1 for name in hard["methods"][1:3])
    assert 0 < hard["picture_share"]["Note2Note"]["base"]["share"] < 1
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["hard"] == hard
    assert 'id="hard"' in (tmp_path / "report.html").read_text("utf-8")


def test_notes_that_are_not_measured_are_distractors(tmp_path: Path) -> None:
    notes = write_sample(tmp_path / "sample", 20, seed=3)
    small = ["encoder.vision_side=64", "evaluation.bootstrap=0", "evaluation.distractors=9"]
    small += ["corpus.test_fraction=0.4", "evaluation.near_misses=minilm"]
    rest = ["--quiet", "--json", *(word for option in small for word in ("--set", option))]
    run("evaluate", notes, "--out", tmp_path / "out", *rest)
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["dataset"]["distractor_notes"] == 9
    sizes = {name: facts["n_targets"] for name, facts in report["dataset"]["tasks"].items()}
    assert sizes["I2Note whole corpus"] == sizes["I2Note"] + 9
    assert set(report["stages"]["base"]["extra"]) >= {"I2Note twins", "Note2Note near misses"}
    assert 'id="pools"' in (tmp_path / "out" / "report.html").read_text("utf-8")


def test_info_lists_the_shipped_model_and_describes_it_by_name() -> None:
    listed = json.loads(run("info", "--json"))["models"][COMPACT]
    assert listed["dim"] == 384
    assert Path(listed["card"]) == HOME / COMPACT / "README.md"
    described = json.loads(run("info", COMPACT, "--json"))
    assert described["uninote.json"]["version"] == listed["version"]


@pytest.mark.usefixtures("small_towers_once")
def test_relations_are_trained_on_and_measured_but_not_the_same_ones(notes: Path, tmp_path: Path) -> None:
    rest = ["--set", "encoder.vision_side=64", "--set", "encoder.read=given"]
    ids = [json.loads(line)["id"] for line in notes.read_text("utf-8").splitlines()]
    related = tmp_path / "related.csv"
    related.write_text("\n".join(["item,other", *(f"{one},{other}" for one, other in pairwise(ids)), "x,y"]))
    given, whole = ["--relations", related], ["--whole", "--json"]
    counts = json.loads(run("pairs", notes, "--out", tmp_path / "p.jsonl", *given, *whole))["counts"]
    assert counts["Note2Note"] == 2 * (len(ids) - 1)
    run("mine", tmp_path / "p.jsonl", "--out", tmp_path / "e.jsonl", *rest)
    steps = ["--set", "sft.steps=1", "--set", "sft.batch_size=2", "--quiet"]
    run("train", "sft", tmp_path / "e.jsonl", "--out", tmp_path / "sft", *rest, *steps)
    measure = ["evaluate", notes, *given, *whole, "--quiet", "--out", tmp_path / "out", *rest]
    measure += ["--set", "evaluation.bootstrap=20"]
    told = json.loads(run(*measure))
    assert "relations left out" not in json.dumps(told)
    report = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert report["stages"]["base"]["extra"]["Relations"]["n_queries"] == len(ids)
    assert "Find the notes that this note is related to" in (tmp_path / "out" / "report.html").read_text(
        "utf-8"
    )
    with pytest.raises(ConfigError, match=rf"trained on {2 * (len(ids) - 1)} of the relations"):
        run(*measure, "--model", tmp_path / "sft")


def test_links_become_relations(tmp_path: Path) -> None:
    lines = [{"id": str(n), "title": f"title {n}", "links": [(n + 1) % 3]} for n in range(3)]
    (tmp_path / "notes.jsonl").write_text("\n".join(map(json.dumps, lines)))
    out = tmp_path / "relations.csv"
    set_ = ["--set", "corpus.min_pictures=0"]
    assert json.loads(run("links", tmp_path / "notes.jsonl", "--out", out, "--json", *set_))["count"] == 3
    assert out.read_text("utf-8").splitlines() == ["item,other,weight", "0,1,1.0", "0,2,1.0", "1,2,1.0"]
