"""Verdicts come out as files that the next training run reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.items import Item, Note, Picture
from uninote.negatives.files import read_examples, read_pairs
from uninote.service.domain.gallery import samples
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.service.domain.review import export, verdicts
from uninote.tasks.definitions import Task


def judge(world: World, note_id: str, sample: int, *given: str) -> None:
    ((match,),) = world.rows(
        f"SELECT id FROM service.matches WHERE note_id = '{note_id}' AND sample_id = {sample}"
    )
    for verdict in given:
        world.database.transaction(lambda s, v=verdict: verdicts.judge(s, match, v, "ana"))


def write(world: World, folder: Path, category: str | None = None) -> Any:
    return world.database.transaction(lambda s: export.export_verdicts(s, folder, category))


def test_true_positives_are_pairs_and_false_ones_their_negatives(
    world: World, note: MakeNote, at: Toward, tmp_path: Path
) -> None:
    world.category("spam")
    picture = Picture.from_bytes(b"shown")
    sample = world.sample("spam", at(1.0), "cheap watches")
    world.ingest(
        note("right", at(0.9), "watches for little", pictures=(picture,)),
        *[note(f"wrong{n}", at(0.9), f"a watch tower {n}") for n in range(2)],
        note("open", at(0.9)),
        note("unsure", at(0.9)),
    )
    judge(world, "right", sample, "false_positive", "true_positive")  # the newest counts
    judge(world, "wrong0", sample, "false_positive")
    judge(world, "wrong1", sample, "true_positive", "false_positive")
    judge(world, "unsure", sample, "unsure")
    report = write(world, tmp_path)
    assert (report.pairs, report.examples, report.left_out) == (1, 1, 0)
    (pair,) = read_pairs(tmp_path / export.PAIRS)
    assert (pair.task, pair.query, pair.note_id) == (Task.T2NOTE, Item.of("cheap watches"), "right")
    assert pair.positive == Item.of("watches for little", picture)
    assert pair.positive.pictures[0].read() == b"shown"
    (example,) = read_examples(tmp_path / export.EXAMPLES)
    assert example.pair == pair
    assert [item.texts[0] for item in example.negatives] == ["a watch tower 0", "a watch tower 1"]
    assert (example.scores, example.positive_score) == ((0.0, 0.0), 1.0)


def test_a_false_positive_stands_beside_the_note_its_sample_came_from(
    world: World, note: MakeNote, at: Toward, tmp_path: Path
) -> None:
    world.category("spam")
    source = Note("source", title="the one", body="we look for")
    world.ingest(Incoming(source, {"m1": at(0.0, 1.0)}))
    part = NewSample("spam", "text", Item.of("we look for"), {"m1": at(1.0)}, source_note="source")
    (sample,) = world.database.transaction(lambda s: samples.add_samples(s, [part], "ops"))
    alone = world.sample("spam", at(1.0), "alone")
    world.ingest(note("wrong", at(0.9), "another"))
    judge(world, "wrong", sample.id, "false_positive")
    judge(world, "wrong", alone, "false_positive")
    report = write(world, tmp_path)
    assert (report.pairs, report.examples, report.left_out) == (1, 1, 1)  # `alone` has no positive
    (example,) = read_examples(tmp_path / export.EXAMPLES)
    assert example.pair.positive == source.item()
    assert [item.texts for item in example.negatives] == [("another",)]


def test_verdicts_on_old_content_and_of_other_categories_are_left_out(
    world: World, note: MakeNote, at: Toward, tmp_path: Path
) -> None:
    world.category("spam")
    world.category("scam")
    spam, scam = world.sample("spam", at(1.0)), world.sample("scam", at(1.0))
    world.ingest(note("kept", at(0.9)), note("changed", at(0.9)))
    for name in ("kept", "changed"):
        judge(world, name, spam, "true_positive")
    judge(world, "kept", scam, "true_positive")
    world.ingest(note("changed", at(0.9), "new words"))
    assert write(world, tmp_path).pairs == 2
    assert write(world, tmp_path, "scam").pairs == 1
    assert [pair.note_id for pair in read_pairs(tmp_path / export.PAIRS)] == ["kept"]


@pytest.mark.parametrize("kind", ["image", "video", "text", "note"])
def test_every_kind_of_sample_has_its_task(
    world: World, note: MakeNote, at: Toward, tmp_path: Path, kind: str
) -> None:
    world.category("spam")
    new = NewSample("spam", kind, Item.of("sample"), {"m1": at(1.0)})
    (sample,) = world.database.transaction(lambda s: samples.add_samples(s, [new], "ops"))
    world.ingest(note("n", at(0.9)))
    judge(world, "n", sample.id, "true_positive")
    write(world, tmp_path)
    (pair,) = read_pairs(tmp_path / export.PAIRS)
    assert pair.task is {"text": Task.T2NOTE, "note": Task.NOTE2NOTE}.get(kind, Task.I2NOTE)


def test_no_verdicts_make_empty_files(world: World, tmp_path: Path) -> None:
    report = write(world, tmp_path)
    assert (report.pairs, report.examples, report.left_out) == (0, 0, 0)
    assert read_pairs(tmp_path / export.PAIRS) == []
