"""Ingest: one transaction, and idempotent when notes are sent twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import UniNoteError
from uninote.items import Note, Picture
from uninote.service.domain.base.payload import load_notes
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes.forget import forget
from uninote.service.domain.notes.idempotency import hashed
from uninote.service.domain.notes.ingest import check, match, store_deliveries
from uninote.service.domain.notes.ingest_sql import create
from uninote.service.domain.notes.ingest_types import Delivery, Incoming, Outcome
from uninote.service.errors import ConflictError, InvalidError


def test_a_note_is_stored_with_vector_match_audit_and_outbox(
    world: World, note: MakeNote, at: Toward
) -> None:
    world.category("spam", 0.8)
    sample = world.sample("spam", at(1.0))
    world.sample("spam", at(0.0, 1.0))
    (outcome,) = world.ingest(note("n1", at(0.9)))
    assert outcome.status == "created"
    (hit,) = outcome.hits
    assert (hit.sample_id, hit.category, hit.threshold) == (sample, "spam", 0.8)
    assert hit.score == pytest.approx(0.9, abs=1e-3)
    assert world.rows("SELECT note_id, sample_id, score, threshold FROM service.matches") == [
        ("n1", sample, hit.score, 0.8)
    ]
    assert world.rows("SELECT note_id, deleted FROM service.outbox") == [("n1", False)]
    assert world.rows("SELECT actor, details FROM service.audit WHERE action = 'note.create'") == [
        ("app", {"hits": [sample]})
    ]


def test_the_same_note_again_changes_nothing(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    (first,) = world.ingest(note("n1", at(0.9)))
    before = everything(world)
    (again,) = world.ingest(note("n1", at(0.9)))
    assert again.status == "unchanged"
    assert again.hits == first.hits
    assert everything(world) == before


def test_changed_content_replaces_vector_and_matches(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    old, new = world.sample("spam", at(1.0)), world.sample("spam", at(0.0, 1.0))
    (first,) = world.ingest(note("n1", at(0.9), "old"))
    (second,) = world.ingest(note("n1", at(0.0, 0.95), "new"))
    assert [hit.sample_id for hit in first.hits] == [old]
    assert second.status == "updated"
    assert [hit.sample_id for hit in second.hits] == [new]
    assert world.rows("SELECT sample_id FROM service.matches") == [(new,)]
    assert world.rows("SELECT count(*) FROM service.vectors") == [(1,)]


def test_changed_metadata_keeps_matches_and_reaches_the_vector_row(
    world: World, note: MakeNote, at: Toward
) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    world.ingest(note("n1", at(0.9), category="travel"))
    (matched,) = world.rows("SELECT id FROM service.matches")
    when = datetime(2026, 1, 1, tzinfo=UTC)
    (outcome,) = world.ingest(note("n1", at(0.9), category="food", time=when))
    assert (outcome.status, len(outcome.hits)) == ("updated", 1)
    assert world.rows("SELECT category, time FROM service.vectors") == [("food", when)]
    assert world.rows("SELECT id FROM service.matches") == [matched]


def test_bad_notes_are_named_and_the_others_go_on(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    batch = [
        note("nan", np.full(8, np.nan)),
        note("short", np.ones(5)),
        note("zero", np.zeros(8)),
        Incoming(Note("empty", title=" "), {"m1": at(1.0)}),
        note("odd", at(1.0), categories=("nonsense",)),
        Incoming(Note("other", title="x"), {"m9": at(1.0)}),
        note("nul\0", at(1.0)),
        note("twice", at(1.0), "one"),
        note("twice", at(1.0), "another"),
        note("local", at(1.0), time=datetime(2026, 1, 1)),
        note("good", at(1.0)),
    ]
    outcomes = world.ingest(*batch)
    assert [outcome.code for outcome in outcomes] == [
        "bad_vector",
        "bad_vector",
        "bad_vector",
        "empty_note",
        "unknown_category",
        "unknown_model",
        "bad_field",
        "duplicate_id",
        "duplicate_id",
        "bad_field",
        "",
    ]
    assert all(outcome.reason for outcome in outcomes[:-1])
    assert world.rows("SELECT id FROM service.notes") == [("good",)]


def test_an_idempotency_key_answers_without_writing(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    old = note("n1", at(0.9), "old")
    (first,) = world.ingest(old, request=("key", "digest"))
    world.ingest(note("n1", at(0.0, 1.0), "new"))
    before = everything(world)
    (replayed,) = world.ingest(old, request=("key", "digest"))
    assert (first.status, replayed.status, replayed.hits) == ("created", "unchanged", ())
    assert everything(world) == before
    with pytest.raises(ConflictError, match="another request"):
        world.ingest(old, request=("key", "other"))


def test_many_callers_of_one_note_make_one_effect(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    batch = [note(f"n{number}", at(0.9)) for number in range(5)]
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(world.ingest, *(batch if n % 2 else batch[::-1])) for n in range(12)]
    statuses = [outcome.status for call in calls for outcome in call.result()]
    assert statuses.count("created") == 5
    assert statuses.count("unchanged") == 55
    assert world.rows("SELECT count(*), count(DISTINCT note_id) FROM service.matches") == [(5, 5)]
    assert world.rows("SELECT count(*) FROM service.outbox") == [(5,)]


def test_pictures_are_kept_while_shown(world: World, note: MakeNote, at: Toward) -> None:
    shared, single = Picture.from_bytes(b"shared"), Picture.from_bytes(b"single", ocr=("words",))
    world.ingest(note("n1", at(1.0), pictures=(shared, single)), note("n2", at(1.0), pictures=(shared,)))
    assert world.rows("SELECT count(*) FROM service.pictures") == [(2,)]
    world.ingest(note("n1", at(1.0), "changed"))
    assert world.rows("SELECT digest FROM service.pictures") == [(shared.digest,)]


def test_match_looks_without_storing(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    before = everything(world)
    good, bad = match(world.database, world.matcher, [note("n1", at(0.9)), note("n2", np.zeros(8))])
    assert len(good.hits) == 1
    assert bad.code == "bad_vector"
    assert everything(world) == before


def everything(world: World) -> list[Any]:
    tables = ("notes", "vectors", "matches", "audit", "outbox")
    return [sorted(world.rows(f"SELECT t::text FROM service.{table} AS t")) for table in tables]


def test_bad_words_of_a_picture_are_named(world: World, note: MakeNote, at: Toward) -> None:
    bad = [Picture.from_bytes(b"x", ocr=("\0",)), Picture.from_bytes(b"x", description="\ud800")]
    outcomes = world.ingest(
        *[note(f"n{row}", at(1.0), pictures=(one,)) for row, one in enumerate(bad)], note("good", at(1.0))
    )
    assert [one.code for one in outcomes] == ["bad_field", "bad_field", ""]
    assert world.rows("SELECT id FROM service.notes") == [("good",)]


def test_what_was_stored_comes_back_as_the_same_note(world: World, at: Toward) -> None:
    pictures = (
        Picture.from_bytes(b"one", description="a hat", ocr=("a", "b")),
        Picture.from_bytes(b"two", ocr=(), frame=True),
        Picture.from_bytes(b"three"),
    )
    full = Note("n", "title", "body", pictures, "cat", ("t",), ("l",), "en", 5, "somewhere")
    world.ingest(Incoming(full, {"m1": at(1.0)}))
    (again,) = world.database.transaction(lambda s: load_notes(s, ["n", "nobody"])).values()
    assert again == full
    assert again.item().key == full.item().key
    assert [picture.read() for picture in again.pictures] == [b"one", b"two", b"three"]


def test_two_models_are_written_in_one_go(world: World, at: Toward) -> None:
    world.database.transaction(lambda s: versions.add(s, "m2", 3, "ops"))
    both: dict[str, ArrayLike] = {"m1": at(1.0), "m2": [0, 1, 0], "retired long ago": [1.0]}
    assert world.ingest(Incoming(Note("n", "x"), both))[0].status == "created"
    assert world.rows("SELECT model_id, vector::text FROM service.vectors ORDER BY 1")[1] == (2, "[0,1,0]")
    only_new = Incoming(Note("later", "x"), {"m1": at(1.0)})
    assert world.ingest(only_new)[0].status == "created"
    assert world.ingest(Incoming(Note("later", "x"), both))[0].status == "unchanged"
    assert world.rows("SELECT count(*) FROM service.vectors WHERE note_id = 'later'") == [(2,)]


def test_without_pictures_kept_only_their_digests_stay(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("n", at(1.0), pictures=(Picture.from_bytes(b"x"),)), keep_pictures=False)
    assert world.rows("SELECT 1 FROM service.pictures") == []
    assert world.rows("SELECT payload->'pictures'->0->>'digest' FROM service.notes") == [
        (Picture.from_bytes(b"x").digest,)
    ]


def stored(answer: list[Outcome] | UniNoteError) -> list[Outcome]:
    assert not isinstance(answer, UniNoteError), answer
    return answer


def test_callers_share_a_transaction_and_fail_apart(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    sample = world.sample("spam", at(1.0))
    world.ingest(note("old", at(0.9)), request=("key", "digest"))
    before = world.rows("SELECT max(xmin::text::int8) FROM service.notes")
    answers = store_deliveries(
        world.database,
        world.matcher,
        [
            Delivery([note("n1", at(0.9)), note("bad", np.zeros(8))], "one"),
            Delivery([note("other", at(0.9))], "app", ("key", "another digest")),
            Delivery([note("old", at(0.9))], "app", ("key2", "digest2")),
            Delivery([note("n2", at(0.0, 1.0))], "two", ("key", "digest of two")),
        ],
    )
    assert [outcome.status for outcome in stored(answers[0])] == ["created", "rejected"]
    assert isinstance(answers[1], ConflictError)
    assert [outcome.status for outcome in stored(answers[2])] == ["unchanged"]
    assert [hit.sample_id for hit in stored(answers[2])[0].hits] == [sample]
    assert [(outcome.status, outcome.hits) for outcome in stored(answers[3])] == [("created", ())]
    assert world.rows("SELECT id FROM service.notes ORDER BY id") == [("n1",), ("n2",), ("old",)]
    new = "SELECT DISTINCT xmin FROM service.notes WHERE id LIKE 'n%'"
    assert len(world.rows(new)) == 1
    assert world.rows("SELECT max(xmin::text::int8) FROM service.notes") != before
    log = "SELECT actor FROM service.audit WHERE action = 'note.create' ORDER BY actor"
    assert world.rows(log) == [("app",), ("one",), ("two",)]


def test_callers_of_one_note_or_key_go_one_after_the_other(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    deliveries = [
        Delivery([note("n1", at(0.9), "first")], "app"),
        Delivery([note("n1", at(0.0, 1.0), "second")], "app"),
        Delivery([note("n1", at(0.0, 1.0), "second")], "app", ("key", "digest")),
        Delivery([note("n1", at(0.0, 1.0), "second")], "app", ("key", "digest")),
    ]
    answers = store_deliveries(world.database, world.matcher, deliveries)
    assert [(one.status, len(one.hits)) for answer in answers for one in stored(answer)] == [
        ("created", 1),
        ("updated", 0),
        ("unchanged", 0),
        ("unchanged", 0),
    ]
    assert world.rows("SELECT payload->>'title' FROM service.notes") == [("second",)]


def test_a_value_that_no_column_holds_fails_its_caller_alone(
    world: World, note: MakeNote, at: Toward
) -> None:
    deliveries = [
        Delivery([note("good", at(1.0))], "app"),
        Delivery([note("n1", at(1.0))], "\0"),
        Delivery([note("n2", at(1.0))], "app"),
    ]
    good, bad, also = store_deliveries(world.database, world.matcher, deliveries)
    assert [one.status for one in (*stored(good), *stored(also))] == ["created", "created"]
    assert isinstance(bad, InvalidError)
    assert world.rows("SELECT id FROM service.notes ORDER BY id") == [("good",), ("n2",)]


@pytest.mark.parametrize("why", ["revision", "note", "forgotten", "key"])
def test_what_is_not_all_new_is_left_to_the_long_way(
    world: World, note: MakeNote, at: Toward, why: str
) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    world.ingest(note("n1", at(0.9)), request=("used", "digest"))
    world.database.transaction(lambda session: forget(session, ["gone"], "app"))
    snapshot = world.database.transaction(world.matcher.snapshot)
    checked, _ = check([note("n2", at(0.9)), note("gone" if why == "forgotten" else "n3", at(0.9))], snapshot)
    if why == "note":
        checked += check([note("n1", at(0.8))], snapshot)[0]
    asked = {hashed("app", "used" if why == "key" else "fresh"): "0" * 64}
    revision = snapshot.revision - (why == "revision")
    before = everything(world)
    assert not world.database.read(lambda s: create(s, checked, revision=revision, asked=asked))
    assert everything(world) == before
    good, _ = check([note("n4", at(0.9))], snapshot)
    fresh = {hashed("app", "fresh"): "0" * 64}
    assert world.database.read(lambda s: create(s, good, revision=snapshot.revision, asked=fresh))
    assert world.rows("SELECT count(*) FROM service.notes WHERE id = 'n4'") == [(1,)]
    assert world.rows("SELECT count(*) FROM service.requests") == [(2,)]


def test_new_notes_take_one_statement(world: World, note: MakeNote, at: Toward, monkeypatch: Any) -> None:
    world.category("spam")
    sample = world.sample("spam", at(1.0))
    world.database.transaction(world.matcher.snapshot)
    monkeypatch.setattr(world.database, "transaction", lambda _: pytest.fail("the long way"))
    shown = Picture.from_bytes(b"bytes")
    bad = note("bad", np.full(8, np.nan))
    found = world.ingest(note("n1", at(0.9), pictures=(shown,)), bad, request=("key", "digest"))
    assert [(one.status, [hit.sample_id for hit in one.hits]) for one in found] == [
        ("created", [sample]),
        ("rejected", []),
    ]
    assert world.rows(
        "SELECT note_id, digest, data FROM service.note_pictures JOIN service.pictures USING (digest)"
    ) == [("n1", shown.digest, b"bytes")]
    assert world.rows("SELECT digest FROM service.requests") == [("digest",)]
