"""Gallery samples: stored fields, refused values, and rows deleted with a sample."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import UniNoteError
from uninote.items import Item, Ocr, Picture, compose
from uninote.service.domain.base import audit, payload
from uninote.service.domain.gallery import categories, versions
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.gallery.samples import (
    add_sample_vectors,
    add_samples,
    change_sample,
    counts,
    delete_samples,
)
from uninote.service.domain.gallery.samples import listing as sample_listing
from uninote.service.domain.notes import forget
from uninote.service.errors import NotFoundError


def add(world: World, *samples: NewSample) -> list[Any]:
    stored: list[Any] = world.database.transaction(lambda s: add_samples(s, samples, "ana"))
    return stored


def test_samples_come_back_with_their_item(world: World, at: Toward) -> None:
    world.category("spam")
    shown = Picture.from_bytes(b"png", description="a red hat", ocr=("SALE",), frame=True)
    item = compose(("a text",), (shown,))
    (stored,) = add(world, NewSample("spam", "video", item, {"m1": at(1.0)}, "hats", "seen on Monday"))
    assert (stored.label, stored.comment, stored.actor, stored.enabled) == (
        "hats",
        "seen on Monday",
        "ana",
        True,
    )
    (again,) = world.database.transaction(lambda s: payload.load_items(s, [stored.id])).values()
    assert again == item
    assert again.key == item.key
    assert [part.of for part in again.parts if isinstance(part, Ocr)] == [shown.digest]
    assert again.pictures[0].read() == b"png"
    assert world.database.transaction(counts) == {"spam": 1}


def test_samples_are_paged_by_id(world: World, at: Toward) -> None:
    world.category("spam")
    world.category("scam")
    ids = [world.sample(name, at(1.0)) for name in ("spam", "scam", "spam", "spam")]

    def page(**options: Any) -> list[int]:
        return [one.id for one in world.database.transaction(lambda s: sample_listing(s, **options))]

    assert page(category="spam", limit=2) == [ids[0], ids[2]]
    assert page(category="spam", after=ids[2]) == [ids[3]]
    assert page(ids=[ids[1], 999]) == [ids[1]]


def test_one_bad_sample_is_named_and_none_is_stored(world: World, at: Toward) -> None:
    world.category("spam")
    good = NewSample("spam", "text", Item.of("good"), {"m1": at(1.0)})

    def bad(**changed: Any) -> NewSample:
        fields: dict[str, Any] = {
            "category": "spam",
            "kind": "text",
            "item": Item.of("x"),
            "vectors": {"m1": at(1.0)},
        }
        return NewSample(**(fields | changed))

    for sample, reason in (
        (bad(category="none"), "no category 'none'"),
        (bad(kind="smell"), "kind 'smell'"),
        (bad(vectors={"m9": at(1.0)}), "active model version 'm1' is missing"),
        (bad(vectors={"m1": np.zeros(8)}), "zero"),
        (bad(vectors={"m1": np.ones(3)}), "8 dimensions"),
        (bad(label="x" * 257), "label"),
        (bad(comment="\0"), "comment"),
        (bad(item=Item.of("\ud800")), "surrogate"),
        (bad(item=Item.of(Picture.from_bytes(b"x", ocr=("\0",)))), "NUL"),
        (bad(disabled_until=datetime(2026, 1, 1)), "time zone"),
        (bad(source_note="nobody"), "no note 'nobody'"),
    ):
        with pytest.raises(UniNoteError, match=f"sample 1: .*{reason}"):
            add(world, good, sample)
    assert world.rows("SELECT count(*) FROM service.samples") == [(0,)]


def test_a_sample_is_not_made_from_a_forgotten_note(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.ingest(note("n", at(1.0)))
    sample = NewSample("spam", "note", Item.of("n"), {"m1": at(1.0)}, source_note="n")
    assert len(add(world, sample)) == 1
    world.database.transaction(lambda s: forget.forget(s, ["n"], "ops"))
    assert world.rows("SELECT 1 FROM service.samples") == []
    with pytest.raises(NotFoundError):
        add(world, sample)


def test_changes_are_logged_and_unknown_ones_refused(world: World, at: Toward) -> None:
    world.category("spam")
    sample = world.sample("spam", at(1.0))
    soon = datetime(2030, 1, 1, tzinfo=UTC)
    changed = world.database.transaction(
        lambda s: change_sample(s, sample, "bo", label="new", enabled=True, disabled_until=soon)
    )
    assert (changed.label, changed.disabled_until) == ("new", soon)
    assert world.database.transaction(lambda s: change_sample(s, sample, "bo")).label == "new"
    assert (
        world.database.transaction(lambda s: change_sample(s, sample, "bo", enabled=True)).disabled_until
        is None
    )
    entry = world.database.transaction(lambda s: audit.entries(s, subject=f"sample:{sample}"))[-2]
    assert (entry.actor, entry.details) == ("bo", {"label": "new", "enabled": True})
    with pytest.raises(NotFoundError):
        world.database.transaction(lambda s: change_sample(s, 999, "bo", label="x"))


def test_deleting_takes_along_what_hangs_on_it(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    shared, own = Picture.from_bytes(b"shared"), Picture.from_bytes(b"own")
    item = Item.of(shared, own)
    (sample,) = add(world, NewSample("spam", "image", item, {"m1": at(1.0)}))
    world.ingest(note("n", at(1.0), pictures=(shared,)))
    assert len(world.rows("SELECT 1 FROM service.matches")) == 1
    assert world.database.transaction(lambda s: delete_samples(s, [sample.id, 999], "ops")) == 1
    assert world.rows("SELECT digest FROM service.pictures") == [(shared.digest,)]
    add(world, NewSample("spam", "image", item, {"m1": at(1.0)}))
    world.database.transaction(lambda s: categories.delete_category(s, "spam", "ops"))
    for table in ("categories", "samples", "sample_vectors", "sample_pictures", "thresholds", "matches"):
        assert world.rows(f"SELECT 1 FROM service.{table}") == [], table
    assert world.rows("SELECT digest FROM service.pictures") == [(shared.digest,)]
    with pytest.raises(NotFoundError):
        world.database.transaction(lambda s: categories.delete_category(s, "spam", "ops"))


def test_vectors_of_another_version_are_filled_in(world: World, at: Toward) -> None:
    world.category("spam")
    sample = world.sample("spam", at(1.0))
    world.database.transaction(lambda s: versions.add(s, "m2", 3, "ops"))
    world.database.transaction(lambda s: add_sample_vectors(s, "m2", {sample: [1, 0, 0]}))
    world.database.transaction(lambda s: add_sample_vectors(s, "m2", {sample: [0, 1, 0]}))  # there already
    assert world.rows("SELECT vector::text FROM service.sample_vectors ORDER BY model_id")[1] == ("[1,0,0]",)


def test_what_is_in_force_already_is_not_written_again(world: World, at: Toward) -> None:
    def trace() -> list[tuple[Any, ...]]:
        return world.rows("SELECT revision, (SELECT count(*) FROM service.audit) FROM service.gallery_state")

    world.category("spam")
    new = NewSample("spam", "text", Item.of("an umbrella"), {"m1": at(1.0)}, label="first")
    (first,) = add(world, new)
    world.database.transaction(lambda s: change_sample(s, first.id, "ana", enabled=False))
    before = trace()
    world.database.transaction(lambda s: change_sample(s, first.id, "ana", enabled=False, label="first"))
    known: set[int] = set()
    other = replace(new, label="second")
    world.database.transaction(lambda s: add_samples(s, [other], "ana", known=known))
    assert known == {first.id}
    assert trace() == before
