"""`uninote bench retention` on the drawn sample, as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.encoder.compact.small_towers import small_encoder
from typer.testing import CliRunner

from uninote.cli import app
from uninote.errors import ConfigError, NoteError
from uninote.evaluation.page import write_page
from uninote.evaluation.tables import Measure, read_table
from uninote.pipeline.retention import BEST, CUT
from uninote.sample.notes import write_sample

SPLIT = ["--set", "corpus.test_fraction=0.3", "--set", "corpus.validation_fraction=0.1"]


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    return write_sample(tmp_path_factory.mktemp("sample"), 60, seed=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory, small_towers):
    folder = tmp_path_factory.mktemp("models") / "model-base"
    small_encoder().save(folder)
    return folder


def run(*words: str | Path) -> str:
    rest = ["--minimum", "2", "--samples", "4", "--top", "3,9", "--set", "evaluation.bootstrap=50", "--quiet"]
    done = CliRunner().invoke(
        app, ["bench", "retention", *rest, *SPLIT, *map(str, words)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_the_tables_of_a_deployment(notes, model, tmp_path) -> None:
    told = json.loads(run(notes, "--model", model, "--out", tmp_path, "--json"))
    assert json.loads((tmp_path / "retention.json").read_text()) == told
    widths = sorted(cost["bytes_per_note"] for cost in told["methods"].values() if "model" in cost)
    names = [BEST, CUT, *(f"model-base, {int(width / 4)}" for width in reversed(widths)), "BM25"]
    assert list(told["methods"]) == names
    assert told["methods"][CUT]["bytes_per_note"] <= widths[-1] < told["methods"][BEST]["bytes_per_note"]
    for kind, of in told["online"].items():
        for baseline in (BEST, CUT):
            kept = of[baseline]["methods"]
            assert list(kept) == [*names, "random order"]
            assert kept[baseline]["mean"] in (1, None)
            for name, decided in of[baseline]["decisions"].items():
                assert decided["notes"] >= 2, name
                assert decided["hits"] <= told["setting"]["notes"]["incoming"]
        at = told["offline"][kind]
        assert list(at) == ["3", "9"]
        assert at["3"][BEST]["gain"] == 0
        assert all(at["3"][name]["recall"] <= at["9"][name]["recall"] for name in names)
    assert told["methods"][BEST]["vectors_per_note"] < 9.2
    assert told["headline"] == []  # no vector is within 1 / 9.2 of so few

    online = read_table(tmp_path / "retention-online.json")
    rows = {row[0]: row for row in online.rows}
    assert [row[0] for row in online.rows] == [*names, "random order"]
    assert isinstance(rows[BEST][-1], Measure)
    assert rows[BEST][-1].value == 100
    assert write_page([tmp_path], tmp_path / "page.md") == 3


@pytest.mark.slow
def test_the_same_call_gives_the_same_numbers(notes, model, tmp_path) -> None:
    words = [notes, "--model", model, "--tower", model, "--out", tmp_path]
    told = json.loads(run(*words, "--json"))
    text = run(*words)
    assert json.loads((tmp_path / "retention.json").read_text()) == told
    assert "Recall of back-checks" in text
    assert "| BM25 |" in text


def test_what_cannot_be_measured_is_told(notes, model, tmp_path) -> None:
    for top in ("ten", "0,5", ""):
        with pytest.raises(ConfigError, match="--top takes numbers"):
            run(notes, "--model", model, "--out", tmp_path, "--top", top)
    with pytest.raises(NoteError, match=r"no category has 99 reference notes"):
        run(notes, "--model", model, "--out", tmp_path, "--minimum", "99")
