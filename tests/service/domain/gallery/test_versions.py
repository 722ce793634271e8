"""A new model version, from added to active and back, while notes keep coming."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.service.domain.gallery import thresholds, versions
from uninote.service.domain.notes import search
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.service.domain.rollout import compare
from uninote.service.domain.rollout.backfill import backfill
from uninote.service.errors import ConflictError, InvalidError, NotFoundError

NEW_DIM = 6


def encode(items: Sequence[Item]) -> np.ndarray[Any, Any]:
    """Encode as a second model: direction by the first letter of the item's text."""
    rows = np.zeros((len(items), NEW_DIM))
    for row, item in zip(rows, items, strict=True):
        if any("unreadable" in text for text in item.texts):
            raise ItemError("the item cannot be read")
        row[ord(item.texts[0][0]) % NEW_DIM] = 1.0
    return rows


def state(world: World) -> dict[str, str]:
    return {model.version: model.state for model in world.database.transaction(versions.listing)}


def switch(world: World, version: str, **options: Any) -> Any:
    return world.database.transaction(lambda s: versions.switch(s, version, "ops", **options))


def test_add_fill_compare_switch_roll_back_retire(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0), "apple")
    world.ingest(note("n1", at(0.9), "avocado"), note("n2", at(0.0, 1.0), "banana"))
    model = world.database.transaction(lambda s: versions.add(s, "m2", NEW_DIM, "ops"))
    assert state(world) == {"m1": "active", "m2": "loading"}
    with pytest.raises(
        ConflictError, match=r"2 notes without.*1 gallery samples.*1 categories without a threshold"
    ):
        switch(world, "m2")
    report = backfill(world.database, "m2", encode, "ops", batch=1)
    assert (report.notes, report.samples, report.failed) == (2, 1, {})
    assert state(world)["m2"] == "shadow"
    with pytest.raises(ConflictError, match=r"not ready: 1 categories without a threshold"):
        switch(world, "m2")
    world.database.transaction(lambda s: thresholds.put(s, "spam", "m2", 0.9, "ops"))
    compared = world.database.transaction(lambda s: compare.compare(s, "m1", "m2", k=1))
    (one,) = compared.samples
    assert (one.old_hits, one.new_hits, one.common, one.overlap, compared.overlap) == (1, 1, 1, 1.0, 1.0)
    switch(world, "m2")
    assert state(world) == {"m1": "shadow", "m2": "active"}
    both = Incoming(Note("n3", title="apricot"), {"m1": at(0.9), "m2": encode([Item.of("apricot")])[0]})
    assert world.ingest(both)[0].hits[0].score == 1.0  # by the new model
    assert world.database.transaction(lambda s: versions.count_missing(s, model)) == 0
    world.database.transaction(lambda s: versions.roll_back(s, "ops"))
    assert state(world) == {"m1": "active", "m2": "shadow"}
    assert world.ingest(note("n4", at(0.9), "almond"))[0].hits[0].score == pytest.approx(0.9, abs=1e-3)
    world.database.transaction(lambda s: versions.retire(s, "m2", "ops"))
    assert state(world)["m2"] == "retired"
    assert world.rows(f"SELECT 1 FROM service.vectors WHERE model_id = {model.id}") == []
    assert world.rows(f"SELECT 1 FROM service.sample_vectors WHERE model_id = {model.id}") == []
    with pytest.raises(ConflictError, match="retired"):
        backfill(world.database, "m2", encode, "ops")
    assert world.database.transaction(lambda s: versions.add(s, "m2", NEW_DIM, "ops")).state == "loading"


def test_rolling_back_goes_one_step_each_time(world: World) -> None:
    for version in ("m2", "m3"):
        world.database.transaction(lambda s, v=version: versions.add(s, v, 4, "ops"))
        switch(world, version)

    def back(**options: Any) -> str:
        return str(world.database.transaction(lambda s: versions.roll_back(s, "ops", **options)).version)

    assert back(leaving="m3") == "m2"
    assert back(leaving="m3") == "m2"  # the same request again
    assert back() == "m1"
    with pytest.raises(ConflictError, match="no earlier"):
        back()
    switch(world, "m3")
    assert back() == "m1"  # the one that was active before, not the newest
    switch(world, "m2")
    switch(world, "m3")
    world.database.transaction(lambda s: versions.retire(s, "m2", "ops"))
    assert back() == "m1"


def test_no_note_fails_and_none_is_lost_during_a_switch(world: World, at: Toward) -> None:
    """Store notes of the old model, of both, and of the new one, during its backfill and the switch."""
    world.category("spam")
    world.sample("spam", at(1.0), "apple")
    world.database.transaction(lambda s: versions.add(s, "m2", NEW_DIM, "ops"))
    stop = threading.Event()
    outcomes: list[Any] = []
    item = encode([Item.of("apricot")])[0]
    vectors = [{"m1": at(0.9)}, {"m1": at(0.9), "m2": item}]

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            incoming = Incoming(Note(f"{writer}-{number}", title="apricot"), vectors[writer])
            outcomes.extend(world.ingest(incoming))
            time.sleep(0.02)  # a backfill is done once it has caught up

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(2)]
    for thread in writers:
        thread.start()
    backfill(world.database, "m2", encode, "ops")
    world.database.transaction(lambda s: thresholds.put(s, "spam", "m2", 0.9, "ops"))
    switch(world, "m2", force=True)
    world.database.transaction(lambda s: versions.roll_back(s, "ops"))
    switch(world, "m2", force=True)
    stop.set()
    for thread in writers:
        thread.join()
    assert {one.status for one in outcomes} == {"created"}
    assert all(len(one.hits) == 1 for one in outcomes)
    backfill(world.database, "m2", encode, "ops")  # what callers of the old model brought
    total = len(outcomes)
    model = world.database.transaction(versions.active)
    assert world.rows("SELECT model_id, count(*) FROM service.vectors GROUP BY 1 ORDER BY 1") == [
        (1, total),
        (2, total),
    ]
    assert world.rows("SELECT count(*) FROM service.matches") == [(total,)]
    assert len(world.database.transaction(lambda s: search.search(s, model, item, total))) == total


def test_backfill_goes_on_where_it_stopped_and_names_what_fails(
    world: World, note: MakeNote, at: Toward
) -> None:
    world.category("spam")
    world.sample("spam", at(1.0), "apple")
    world.ingest(*[note(f"n{number}", at(0.9), f"apple {number}") for number in range(5)])
    world.ingest(note("odd", at(0.9), "unreadable"))
    world.database.transaction(lambda s: versions.add(s, "m2", NEW_DIM, "ops"))
    steps: list[int] = []
    first = backfill(
        world.database,
        "m2",
        encode,
        "ops",
        batch=2,
        progress=lambda r: steps.append(r.notes),
        stop=lambda: len(steps) > 2,
    )
    assert (first.samples, first.notes) == (1, 4)
    seen: list[str] = []

    def counted(items: Sequence[Item]) -> Any:
        seen.extend(item.texts[0] for item in items)
        return encode(items)

    second = backfill(world.database, "m2", counted, "ops", batch=2)
    assert (second.samples, second.notes) == (0, 1)
    assert second.failed == {"odd": "the item cannot be read"}
    assert set(seen) == {"apple 4", "unreadable"}
    assert state(world)["m2"] == "loading"  # not complete, so no shadow
    with pytest.raises(ConflictError, match="1 notes without"):
        switch(world, "m2")


def test_backfill_fills_videos_and_leaves_what_changed_meanwhile(
    world: World, note: MakeNote, at: Toward
) -> None:
    frame = Picture.from_bytes(b"frame", frame=True)
    world.ingest(note("video", at(1.0), "clip", pictures=(frame,)), note("n", at(1.0), "old"))
    model = world.database.transaction(lambda s: versions.add(s, "m2", NEW_DIM, "ops"))

    def meanwhile(items: Sequence[Item]) -> Any:
        if any(item.texts == ("old",) for item in items):
            world.ingest(note("n", at(1.0), "new"))
        return encode(items)

    report = backfill(world.database, "m2", meanwhile, "ops")
    assert report.notes == 1
    assert world.database.transaction(lambda s: versions.missing_notes(s, model)) == ["n"]
    assert backfill(world.database, "m2", encode, "ops").notes == 1
    assert state(world)["m2"] == "shadow"


def test_bad_versions_are_refused(world: World) -> None:
    def add(version: str, dim: int) -> Any:
        return world.database.transaction(lambda s: versions.add(s, version, dim, "ops"))

    with pytest.raises(ConflictError, match="has 8 dimensions, not 9"):
        add("m1", 9)
    for version, dim in (("", 4), ("x" * 257, 4), ("a\0", 4), ("m", 0), ("m", 16_001)):
        with pytest.raises(InvalidError):
            add(version, dim)
    with pytest.raises(NotFoundError):
        switch(world, "m9")
    with pytest.raises(ConflictError, match="is active"):
        world.database.transaction(lambda s: versions.retire(s, "m1", "ops"))
    assert add("m1", 8).state == "active"
