"""Stream consumer with a real Redis server: no note is lost or stored twice, bad ones are dead letters."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis
from tests.service.background import stream_process
from tests.service.conftest import Toward, World

from uninote.errors import StoreError
from uninote.service.background.stream_consumer import Lag, StreamConsumer, StreamOptions

NEAR = [1.0] + [0.0] * 7


@pytest.fixture
def client(broker: Any) -> redis.Redis:
    client: redis.Redis = broker.client()
    client.flushall()
    return client


@pytest.fixture
def near(world: World, at: Toward) -> Any:
    """A gallery whose one sample every note of these tests matches."""
    world.category("spam")
    world.sample("spam", at(1.0))
    return world


def send(client: redis.Redis, note_id: str, title: str = "a note", vector: Any = NEAR) -> None:
    client.xadd("notes", {"note": json.dumps({"id": note_id, "title": title, "vector": vector})})


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@contextmanager
def running(consumer: StreamConsumer[Any]) -> Iterator[None]:
    thread = threading.Thread(target=consumer.run)
    thread.start()
    try:
        yield
    finally:
        consumer.stop()
        thread.join(60)
        assert not thread.is_alive()


def dead(client: redis.Redis) -> list[tuple[bytes, bytes]]:
    return [(fields.get(b"note", b""), fields[b"reason"]) for _, fields in client.xrange("notes:dead")]


def settled(consumer: StreamConsumer[Any]) -> bool:
    return consumer.lag() == Lag(0, 0)


def test_notes_are_stored_and_matched(near: Any, client: redis.Redis) -> None:
    for number in range(10):
        send(client, f"n{number}")
    send(client, "n3", "changed")  # twice in one batch: the last one counts
    consumer = stream_process.consumer(near.database, client, replace(stream_process.OPTIONS, batch=64))
    with running(consumer):
        until(lambda: near.rows("SELECT count(*) FROM service.matches") == [(10,)])
        until(lambda: settled(consumer))
        send(client, "late")
        until(lambda: near.rows("SELECT count(*) FROM service.matches") == [(11,)])
    assert near.rows("SELECT payload->>'title' FROM service.notes WHERE id = 'n3'") == [("changed",)]
    assert near.rows("SELECT DISTINCT actor FROM service.audit WHERE action LIKE 'note.%'") == [("stream",)]
    assert dead(client) == []


def test_poison_goes_to_the_dead_letters_with_its_reason(near: Any, client: redis.Redis) -> None:
    send(client, "n0")
    client.xadd("notes", {"note": "{"})
    client.xadd("notes", {"other": "x"})
    send(client, "zero", vector=[0.0] * 8)
    send(client, "n1")
    consumer = stream_process.consumer(near.database, client, replace(stream_process.OPTIONS, batch=64))
    with running(consumer):
        until(lambda: near.rows("SELECT count(*) FROM service.notes") == [(2,)])
        until(lambda: settled(consumer))
    reasons = [reason.decode() for _, reason in dead(client)]
    assert len(reasons) == 3
    assert any("not JSON" in reason for reason in reasons)
    assert any("no field 'note'" in reason for reason in reasons)
    assert any("all zero" in reason for reason in reasons)
    assert dead(client)[0][0] == b"{"


def test_a_database_that_is_away_costs_time_and_no_notes(near: Any, client: redis.Redis) -> None:
    calls: list[int] = []
    real = stream_process.consumer(near.database, client)

    def failing(batch: Any) -> Any:
        calls.append(len(batch))
        if len(calls) < 4:
            raise StoreError("the database is away")
        return real._store(batch)

    consumer = StreamConsumer(
        client, replace(stream_process.OPTIONS, idle_seconds=0.3), stream_process.parse, failing
    )
    for number in range(4):
        send(client, f"n{number}")
    with running(consumer):
        until(lambda: near.rows("SELECT count(*) FROM service.matches") == [(4,)])
        until(lambda: settled(consumer))
    assert calls[:4] == [4] * 4  # the same notes again, not one delivery more
    assert dead(client) == []


def test_what_a_dead_consumer_had_is_taken_over(near: Any, client: redis.Redis) -> None:
    client.xgroup_create("notes", "uninote", id="0", mkstream=True)
    for number in range(3):
        send(client, f"n{number}")
    client.xreadgroup("uninote", "dead", {"notes": ">"}, count=2)
    consumer = stream_process.consumer(
        near.database, client, replace(stream_process.OPTIONS, idle_seconds=0.2)
    )
    with running(consumer):
        until(lambda: near.rows("SELECT count(*) FROM service.matches") == [(3,)])
        until(lambda: settled(consumer))


def test_two_consumers_share_a_stream(near: Any, client: redis.Redis) -> None:
    for number in range(40):
        send(client, f"n{number}")
    one = stream_process.consumer(near.database, client)
    two = stream_process.consumer(near.database, client, replace(stream_process.OPTIONS, consumer="2"))
    with running(one), running(two):
        until(
            lambda: near.rows("SELECT count(*), count(DISTINCT note_id) FROM service.matches") == [(40, 40)]
        )
        until(lambda: settled(one))


def test_killed_processes_lose_and_double_nothing(near: Any, client: redis.Redis, broker: Any) -> None:
    """Kill the consumer at random times and the broker once; a note that kills becomes a dead letter."""
    arguments = [sys.executable, stream_process.__file__, near.database.address, str(broker.port)]
    draw, sent = random.Random(2), 0
    consumer = stream_process.consumer(near.database, client)

    def produce(number: int) -> None:
        nonlocal sent
        for _ in range(number):
            send(client, f"n{sent}")
            sent += 1

    def stored() -> int:
        return int(near.rows("SELECT count(*) FROM service.notes")[0][0])

    for kill in range(3):
        known = stored()
        produce(10)  # the one killed before may have left nothing to do
        process = subprocess.Popen(arguments)
        until(lambda known=known: stored() > known)
        produce(20)
        time.sleep(draw.uniform(0, 0.05))
        if kill == 1:
            broker.kill()
            broker.start()
            produce(5)
            until(lambda: stored() == sent)
        process.kill()
        process.wait()
    send(client, "bomb", "bomb")
    produce(3)
    for _ in range(5):
        process = subprocess.Popen(arguments)
        until(lambda process=process: process.poll() is not None or settled(consumer))
        if process.poll() is None:
            break
    process.kill()
    process.wait()
    assert settled(consumer)
    assert stored() == sent
    assert near.rows("SELECT count(*), count(DISTINCT note_id) FROM service.matches") == [(sent, sent)]
    assert near.rows("SELECT count(*) FROM service.audit WHERE action = 'note.create'") == [(sent,)]
    ((letter, reason),) = dead(client)
    assert b"bomb" in letter
    assert b"2 deliveries" in reason


def test_options_name_the_dead_letters() -> None:
    assert StreamOptions("notes").dead == "notes:dead"
