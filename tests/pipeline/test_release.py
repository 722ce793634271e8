from __future__ import annotations

from typing import Any

import pytest

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.pipeline import release
from uninote.pipeline.release import Origin, release_model
from uninote.tasks.definitions import SINGLE_TARGET, Task, in_words

pytestmark = pytest.mark.slow

ORIGINS = [Origin("some books", "CC BY 4.0", ("people/books@abc",))]


def report() -> dict[str, Any]:
    def stage(value: float) -> dict[str, Any]:
        tasks = {
            task.value: {"recall@1": value, "precision@1": value, "recall@1_interval": [0, 2 * value]}
            for task in Task
        }
        return {"tasks": tasks}

    data = {"corpus": {"notes": 10}, "splits": {"train": 7, "validation": 1, "test": 2}, "seed": 0}
    data |= {"steps": {"sft": 3, "rl": 4}, "notes": 2, "pictures": 5}
    return {"dataset": data, "stages": {"base": stage(0.1), "rl": stage(0.25)}}


@pytest.fixture(scope="module")
def model(tmp_path_factory, small_towers):
    folder = tmp_path_factory.mktemp("trained")
    Encoder.compact().save(folder)
    (folder / "run").mkdir()
    (folder / "run" / "metrics.jsonl").write_text("{}")
    return folder


def test_a_release_is_the_model_its_card_and_nothing_else(model, tmp_path) -> None:
    out = release_model(model, tmp_path / "out", report(), ORIGINS, "make it", [("Elsewhere", "**1.0**")])
    assert sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()) == [
        "README.md",
        "aggregator.safetensors",
        "backbone.json",
        "uninote.json",
    ]
    assert Encoder.load(out).version == Encoder.load(model).version
    card = " ".join((out / "README.md").read_text("utf-8").split())
    for words in (
        "MB: the aggregator alone.",
        "7 of 10 notes",
        "stage 1 (3 steps)",
        "make it",
        "| some books | CC BY 4.0 | `people/books@abc` |",
        "| I2T | 10.0 (0.0–20.0) | 25.0 (0.0–50.0) |",
        f"| **mean of the {in_words(SINGLE_TARGET)}** | **10.0** | **25.0** |",
        "## Elsewhere **1.0**",
    ):
        assert words in card


def test_a_release_replaces_the_one_before(model, tmp_path) -> None:
    (tmp_path / "stale.safetensors").write_bytes(b"")
    release_model(model, tmp_path, report(), ORIGINS, "make it")
    assert not (tmp_path / "stale.safetensors").exists()


def test_too_large_or_of_another_kind_is_refused(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(release, "LARGEST", 1000)
    with pytest.raises(ModelError, match="over the cap"):
        release_model(model, tmp_path / "out", report(), ORIGINS, "make it")
    with pytest.raises(ModelError, match="not a saved UniNote model"):
        release_model(tmp_path / "nowhere", tmp_path / "out", report(), ORIGINS, "make it")
    other = tmp_path / "other"
    other.mkdir()
    (other / "uninote.json").write_text('{"version": "1"}')
    (other / "backbone.json").write_text('{"name": "qwen-vl"}')
    with pytest.raises(ModelError, match="only the compact one"):
        release_model(other, tmp_path / "out", report(), ORIGINS, "make it")
    assert not (tmp_path / "out").exists()
