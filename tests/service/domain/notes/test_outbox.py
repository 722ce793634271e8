"""Outbox to the vector cluster: every change is delivered, in order per note, the final state last."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import psycopg
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import StoreError
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import forget, outbox
from uninote.service.domain.rollout.backfill import backfill
from uninote.store.memory import MemoryStore
from uninote.store.protocol import Filter


def drain(world: World, sink: Any, **options: Any) -> int:
    total = 0
    while done := outbox.send(world.database, sink, **options):
        total += done
    return total


def test_a_store_ends_in_the_state_of_the_database(world: World, note: MakeNote, at: Toward) -> None:
    store = MemoryStore(8)
    sink = outbox.store_sink({"m1": store})
    rng = random.Random(5)
    for step in range(60):
        name = f"n{rng.randrange(10)}"
        if step % 10 == 7:
            world.database.transaction(lambda s, n=f"gone{step}": forget.forget(s, [n], "ops"))
        world.ingest(
            note(
                name if step % 9 else f"gone{step + 7}",
                at(rng.random()),
                f"text {rng.randrange(3)}",
                category=f"c{step % 2}",
            )
        )
        if step % 13 == 0:
            outbox.send(world.database, sink, limit=3)
    drain(world, sink, limit=4)
    stored = dict(world.rows("SELECT note_id, category FROM service.vectors"))
    hits = store.search([at(1.0)], 100, Filter(model_versions=("m1",)))[0]
    assert {hit.id: hit.category for hit in hits} == stored
    assert world.database.transaction(outbox.lag) == outbox.OutboxLag(0, 0.0)


def test_a_failing_cluster_gets_the_batch_again(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)), note("b", at(1.0)))

    def broken(_: Any) -> None:
        raise StoreError("no cluster")

    with pytest.raises(StoreError):
        outbox.send(world.database, broken)
    lag = world.database.transaction(outbox.lag)
    assert lag.rows == 2
    assert lag.seconds > 0
    seen: list[str] = []
    assert drain(world, lambda changes: seen.extend(one.note_id for one in changes)) == 2
    assert seen == ["a", "b"]


def test_many_changes_of_a_note_are_one_delivery_of_its_last_state(
    world: World, note: MakeNote, at: Toward
) -> None:
    for number in range(4):
        world.ingest(note("a", at(0.1 * number), f"text {number}"))
    batches: list[Any] = []
    assert drain(world, batches.append) == 4
    ((change,),) = batches
    np.testing.assert_allclose(change.vectors["m1"], at(0.3), atol=1e-3)


def test_only_one_process_delivers(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)))
    inner: list[int] = []
    assert (
        outbox.send(world.database, lambda _: inner.append(outbox.send(world.database, lambda _: None))) == 1
    )
    assert inner == [0]


def test_a_lost_lock_sends_the_notes_again(world: World, note: MakeNote, at: Toward) -> None:
    """Deliver a newer state from another process while this batch is delayed: the newest must win."""
    store = MemoryStore(8)
    sink = outbox.store_sink({"m1": store})
    world.ingest(note("a", at(1.0), category="old"))

    def slow(changes: Any) -> None:
        with psycopg.connect(world.database.address, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks "
                "WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database "
                "WHERE datname = current_database()) AND pid <> pg_backend_pid()"
            )
        world.ingest(note("a", at(1.0), category="new"))
        while not outbox.send(world.database, sink):
            pass
        sink(changes)  # arrives late

    assert outbox.send(world.database, slow) == 0
    assert store.search([at(1.0)], 1)[0][0].category == "old"
    drain(world, sink)
    assert store.search([at(1.0)], 1)[0][0].category == "new"


def test_without_a_cluster_nothing_is_put_in_line(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)))
    world.database.transaction(outbox.stop)
    world.ingest(note("b", at(1.0)))
    world.database.transaction(lambda s: forget.forget(s, ["a"], "ops"))
    assert not world.database.transaction(outbox.wanted)
    assert world.database.transaction(outbox.lag).rows == 0
    assert outbox.rebuild(world.database) == 1
    world.ingest(note("c", at(1.0)))
    seen: list[str] = []
    drain(world, lambda changes: seen.extend(one.note_id for one in changes))
    assert seen == ["b", "c"]


def test_no_note_is_missed_while_the_outbox_is_switched_on(world: World, note: MakeNote, at: Toward) -> None:
    world.database.transaction(outbox.stop)
    stop = threading.Event()
    stored: list[str] = []

    def write(writer: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"{writer}-{number}"
            world.ingest(note(name, at(1.0)))
            stored.append(name)
            number += 1

    writers = [threading.Thread(target=write, args=(writer,)) for writer in range(3)]
    for thread in writers:
        thread.start()
    while len(stored) < 10:
        pass
    outbox.rebuild(world.database)
    stop.set()
    for thread in writers:
        thread.join()
    seen: set[str] = set()
    drain(world, lambda changes: seen.update(one.note_id for one in changes))
    assert seen == set(stored)


def test_every_version_has_its_store(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)))
    world.database.transaction(lambda s: versions.add(s, "m2", 3, "ops"))
    one, two = MemoryStore(8), MemoryStore(3)
    sink = outbox.store_sink({"m1": one, "m2": two})
    drain(world, sink)
    assert (one.count(), two.count()) == (1, 0)
    backfill(world.database, "m2", lambda items: np.eye(len(items), 3), "ops")
    drain(world, sink)
    assert (one.count(), two.count()) == (1, 1)
    world.database.transaction(lambda s: forget.forget(s, ["a"], "ops"))
    drain(world, sink)
    assert (one.count(), two.count()) == (0, 0)


def test_follow_goes_on_after_an_outage(world: World, note: MakeNote, at: Toward) -> None:
    world.ingest(note("a", at(1.0)))
    stop, calls = threading.Event(), []

    def sink(changes: Any) -> None:
        calls.append([one.note_id for one in changes])
        if len(calls) < 3:
            raise StoreError("no cluster")
        stop.set()

    outbox.follow(world.database, sink, stop, idle=0.01)
    assert calls == [["a"]] * 3
    assert world.database.transaction(outbox.lag).rows == 0


def test_the_cluster_is_filled_once_what_the_rebuild_put_in_line_is_delivered(
    world: World, note: MakeNote, at: Toward
) -> None:
    world.ingest(note("a", at(1.0)), note("b", at(1.0)))
    world.database.transaction(outbox.stop)
    assert not world.database.transaction(outbox.rebuilt)
    assert outbox.rebuild(world.database) == 2
    assert world.database.transaction(outbox.rebuilt)
    assert not world.database.transaction(outbox.filled)
    outbox.send(world.database, lambda _: None, limit=1)
    assert not world.database.transaction(outbox.filled)
    world.ingest(note("later", at(1.0)))
    outbox.send(world.database, lambda _: None, limit=1)
    assert world.database.transaction(outbox.filled)  # what came later is lag
    assert world.database.transaction(outbox.lag).rows == 1
