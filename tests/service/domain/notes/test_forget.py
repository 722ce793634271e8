"""Forgotten means: no table holds the id, the text, the picture or the vector of the note any more."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.items import Note, Picture
from uninote.service.domain.base import audit
from uninote.service.domain.gallery import samples
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.notes import forget, outbox
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.service.domain.review import backcheck_jobs, backcheck_worker, verdicts

SECRET = "zebra-crossing"


def traces(world: World, *needles: str) -> set[tuple[str, str]]:
    """Return (table, column) of every place in the schema where one of the texts stands, bytes as hex."""
    columns = world.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'service'"
    )
    assert len(columns) > 90
    found = set()
    for table, column in columns:
        for (value,) in world.rows(
            f'SELECT "{column}"::text FROM service.{table} WHERE "{column}" IS NOT NULL'
        ):
            if any(needle in value for needle in needles):
                found.add((table, column))
    return found


@pytest.fixture
def involved(world: World, at: Toward) -> tuple[Any, Picture]:
    """A note that every part of the service knows: matched, reviewed, found by a job, made into a sample."""
    picture = Picture.from_bytes(b"very secret picture", description=SECRET, ocr=(SECRET,))
    private = Note(f"{SECRET}-id", SECRET, SECRET, (picture,), tags=(SECRET,), links=(SECRET,), source=SECRET)
    world.category("spam", 0.8)
    world.sample("spam", at(1.0))
    world.ingest(Incoming(private, {"m1": at(0.9)}), request=("key", "digest"))
    sample = NewSample(
        "spam", "note", private.item(), {"m1": at(0.9)}, SECRET, SECRET, source_note=private.id
    )
    (made,) = world.database.transaction(lambda s: samples.add_samples(s, [sample], "ops"))
    job = world.database.transaction(lambda s: backcheck_jobs.create(s, [made.id], "ops", record=True)).id
    backcheck_worker.run(world.database, job, page=1, stop=lambda: True)  # the id that follows the note's
    (match,) = world.rows("SELECT id FROM service.matches WHERE source = 'online'")
    world.database.transaction(lambda s: verdicts.judge(s, match[0], "true_positive", "ana", SECRET))
    return private, picture


def test_nothing_of_a_forgotten_note_is_left_in_any_table(
    world: World, involved: Any, note: MakeNote, at: Toward
) -> None:
    private, picture = involved
    world.ingest(note("kept", at(0.9)))
    needles = (SECRET, picture.digest, b"very secret picture".hex())
    before = traces(world, *needles)
    assert {("notes", "id"), ("pictures", "data"), ("samples", "payload"), ("jobs", "cursor")} <= before
    assert {
        ("matches", "note_id"),
        ("reviews", "comment"),
        ("job_hits", "note_id"),
        ("vectors", "note_id"),
    } <= before
    assert world.database.transaction(lambda s: forget.forget(s, [private.id], "dpo")) == 1
    # The order to delete it is in the outbox until the cluster has carried it out.
    assert traces(world, *needles) == {("outbox", "note_id")}
    deleted: list[Any] = []
    while outbox.send(world.database, deleted.extend):
        pass
    assert [change.note_id for change in deleted if not change.vectors] == [private.id]
    assert traces(world, *needles) == set()
    assert [row[0] for row in world.rows("SELECT id FROM service.notes")] == ["kept"]
    assert len(world.rows("SELECT 1 FROM service.matches")) == 1


def test_it_is_logged_and_does_not_come_back(world: World, involved: Any, at: Toward) -> None:
    private, _ = involved
    world.database.transaction(lambda s: forget.forget(s, [private.id, "never stored"], "dpo"))
    for name in (private.id, "never stored"):
        (entry,) = world.database.transaction(
            lambda s, n=name: audit.entries(s, subject=audit.note_subject(n), action="note.forget")
        )
        assert entry.actor == "dpo"
    late, other = world.ingest(
        Incoming(private, {"m1": at(0.9)}), Incoming(Note("never stored", "x"), {"m1": at(1.0)})
    )
    assert [late.code, other.code] == ["forgotten", "forgotten"]
    (replayed,) = world.ingest(Incoming(private, {"m1": at(0.9)}), request=("key", "digest"))
    assert (replayed.status, replayed.code) == ("rejected", "forgotten")
    assert world.rows("SELECT 1 FROM service.notes") == []
    assert world.database.transaction(lambda s: forget.forget(s, [private.id], "dpo")) == 0
    assert world.database.transaction(lambda s: forget.forget(s, [], "dpo")) == 0


def test_its_sample_stops_matching_at_once(world: World, involved: Any, note: MakeNote, at: Toward) -> None:
    private, _ = involved
    (first,) = world.ingest(note("near", at(0.9)))
    assert len(first.hits) == 2
    world.database.transaction(lambda s: forget.forget(s, [private.id], "dpo"))
    (second,) = world.ingest(note("next", at(0.9)))
    assert len(second.hits) == 1


def test_the_running_job_goes_on(world: World, involved: Any, note: MakeNote, at: Toward) -> None:
    private, _ = involved
    world.ingest(note("aaa", at(0.9)), note("zzz", at(0.9)))
    (job,) = world.database.transaction(backcheck_jobs.unfinished)
    world.database.transaction(lambda s: forget.forget(s, [private.id], "dpo"))
    assert backcheck_worker.run(world.database, job) == "done"  # its sample is gone, so it finds nothing


def test_the_audit_log_names_notes_by_hash(world: World, involved: Any) -> None:
    rows = world.rows("SELECT subject, details::text FROM service.audit")
    assert not any(SECRET in subject or SECRET in json.dumps(details) for subject, details in rows)
    assert any(subject == audit.note_subject(involved[0].id) for subject, _ in rows)


def test_a_note_that_nothing_else_knows(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("n", at(1.0), "only here"))
    assert traces(world, "only here") == {("notes", "payload")}
    assert world.database.transaction(lambda s: forget.forget(s, ["n", "n"], "dpo")) == 1
    assert traces(world, "only here") == set()
