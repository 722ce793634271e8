from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from datasets import Image, get_dataset_config_names, load_dataset
from tests.mteb.conftest import load
from typer.testing import CliRunner

from uninote.cli import app
from uninote.corpus.decode import load_picture
from uninote.errors import ConfigError
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.items import Item, Picture
from uninote.mteb.dataset import write_dataset
from uninote.mteb.parts import COLUMN, from_json
from uninote.sample.notes import write_sample
from uninote.settings import CorpusSettings
from uninote.tasks.definitions import Task

CATEGORIES = {
    "I2T": "i2t",
    "T2I": "t2i",
    "I2Note": "i2it",
    "T2Note": "t2it",
    "Note2I": "it2i",
    "Note2T": "it2t",
    "I2OCR": "i2t",
    "OCR2I": "t2i",
    "OCR2Note": "t2it",
    "Note2Note": "it2it",
}


def test_the_card_names_every_configuration_that_datasets_finds(folder: Path, suite: Suite) -> None:
    text = (folder / "README.md").read_text("utf-8")
    head = yaml.safe_load(text.split("---")[1])
    named = [one["config_name"] for one in head["configs"]]
    sides = ("corpus", "queries", "qrels")
    assert named == [f"{task}-{side}" for task in Task for side in sides] + ["pictures"]
    assert sorted(get_dataset_config_names(str(folder))) == sorted(named)
    assert head["language"] == ["en", "zh"]
    assert "| I2Note | i2it | " in text
    assert "UniNote tasks on a diary" in text
    assert suite.fingerprint in text


def asked(task: TaskSuite) -> list[Item]:
    return [query.item for query in task.queries]


def without_descriptions(item: Item) -> Item:
    parts = (replace(p, description="") if isinstance(p, Picture) else p for p in item.parts)
    return Item(tuple(parts))


def test_every_query_target_and_grade_is_in_the_files(folder: Path, suite: Suite) -> None:
    pictures = load_dataset(str(folder), "pictures", split="test").cast_column("image", Image(decode=False))
    data = {row["id"]: row["image"]["bytes"] for row in pictures}
    assert data == {p.digest: p.read() for item in suite.items.values() for p in item.pictures}
    assert [task.name for task in suite.tasks] == list(CATEGORIES)
    for task in suite.tasks:
        corpus = load_dataset(str(folder), f"{task.name}-corpus", split="test")
        queries = load_dataset(str(folder), f"{task.name}-queries", split="test")
        qrels = load_dataset(str(folder), f"{task.name}-qrels", split="test")
        assert corpus["id"] == [target.key for target in task.targets]
        stored = [from_json(row, data.__getitem__) for side in (queries, corpus) for row in side[COLUMN]]
        assert stored == [without_descriptions(item) for item in (*asked(task), *task.targets)]
        assert queries["note"] == [query.note_id for query in task.queries]
        grades = {(row["query-id"], row["corpus-id"]): row["score"] for row in qrels}
        assert grades == {(q.item.key, key): grade for q in task.queries for key, grade in q.relevant.items()}
    assert set(grades.values()) > {1, 2}  # the last task is graded


def test_models_of_others_get_one_text_and_one_picture(folder: Path, suite: Suite) -> None:
    index = json.loads((folder / "tasks.json").read_text("utf-8"))
    assert {name: about["category"] for name, about in index["tasks"].items()} == CATEGORIES
    task = next(task for task in suite.tasks if task.name == "I2Note")
    corpus = load_dataset(str(folder), "I2Note-corpus", split="test")
    for row, target in zip(corpus, task.targets, strict=True):
        assert row["text"] == "\n".join(target.texts)
        shown = row["image"].convert("RGB")
        if len(target.pictures) == 1:
            assert shown == load_picture(target.pictures[0], CorpusSettings())
        else:
            white = shown.getextrema() == ((255, 255),) * 3
            assert white is (not target.pictures)
    assert {len(target.pictures) for target in task.targets} >= {0, 1, 2}
    assert "text" not in load_dataset(str(folder), "I2Note-queries", split="test").column_names


def test_a_second_writing_replaces_the_first_and_other_files_are_left_alone(
    tmp_path: Path, suite: Suite
) -> None:
    out = write_dataset(suite, tmp_path / "dataset", load)
    before = (out / "tasks.json").read_bytes()
    write_dataset(suite, out, load)
    assert (out / "tasks.json").read_bytes() == before
    (out / "pictures.parquet.partial").write_bytes(b"of a killed call")
    write_dataset(suite, out, load)
    assert not list(out.rglob("*.partial"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="holds other files"):
        write_dataset(suite, other, load)


def test_a_picture_that_fails_leaves_no_index(tmp_path: Path, suite: Suite) -> None:
    def broken(_: Picture) -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_dataset(suite, tmp_path / "dataset", broken)
    assert not (tmp_path / "dataset/tasks.json").exists()
    write_dataset(suite, tmp_path / "dataset", load)
    assert (tmp_path / "dataset/tasks.json").exists()


def test_the_command_writes_the_held_out_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sample(tmp_path / "sample", 40)
    call = ["corpus", "mteb", "sample", "--out", "dataset", "--set", "annotate.ocr=existing", "--json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    index = json.loads((tmp_path / "dataset/tasks.json").read_text("utf-8"))
    assert told["suite"] == index["suite"]
    assert told["tasks"]["T2I"]["queries"] == index["tasks"]["T2I"]["queries"] > 5
    assert "tasks on sample" in (tmp_path / "dataset/README.md").read_text("utf-8")
