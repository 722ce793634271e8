"""A service that reads a real Redis stream while it answers requests."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running
from tests.service.http.test_notes import ok
from tests.service.http.test_scheduling import until, waiting

from uninote.errors import ConfigError, ItemError
from uninote.service.background.redis_stream import RedisStream
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import StreamSettings


def feed(address: str, **options: Any) -> RedisStream:
    return RedisStream(StreamSettings(address=address), Metrics(), print, longest=200, most=8, **options)


def send(client: redis.Redis, *ids: str) -> None:
    for one in ids:
        client.xadd("notes", {"note": json.dumps({"id": one, "title": f"rain {one}"})})


def ready(running: Running) -> dict[str, Any]:
    with running.client("public") as client:
        found: dict[str, Any] = ok(client.get("/health/ready"))
    return found


def there(running: Running, note_id: str) -> Callable[[], bool]:
    def look() -> bool:
        with running.client() as client:
            return client.get(f"/v1/notes/{note_id}").status_code == 200

    return look


def test_a_service_stores_and_matches_the_notes_of_a_stream_and_drains_behind_its_batch(
    stub: StartStub, broker: Any
) -> None:
    client = broker.client()
    client.flushall()
    secret = f"redis://:secret-of-nobody@127.0.0.1:{broker.port}/0"
    broker.client().config_set("requirepass", "secret-of-nobody")
    client = redis.Redis.from_url(secret)
    try:
        running = stub(stream={"address": secret, "idle_seconds": 60}, drain_seconds=1)
        with running.client() as http:
            ok(http.put("/v1/categories/weather", json={"description": "bad"}))
            ok(http.post("/v1/samples", json={"samples": [{"category": "weather", "text": "rain n0"}]}))
            ok(http.put("/v1/thresholds", json={"category": "weather", "value": 0.99}))
        send(client, "n0", "n1")
        client.xadd("notes", {"note": '{"id": "bad", "colour": "red"}'})
        until(there(running, "n1"))
        until(lambda: ready(running)["stream"] == {"up": True, "waiting": 0, "pending": 0})
        with running.client() as http:
            (match,) = ok(http.get("/v1/matches"))["matches"]
            assert match["note_id"] == "n0"
            page = http.get("/metrics").text
            assert "@" not in json.dumps(ok(http.get("/v1/audit")))
        assert 'uninote_stream_messages_total{result="stored"} 2.0' in page
        assert 'uninote_stream_messages_total{result="dead"} 1.0' in page
        ((_, letter),) = client.xrange("notes:dead")
        assert letter[b"reason"] == b"colour: is not known here; leave it out"
        (running.folder / "hold").touch()
        send(client, "held")
        until(lambda: client.xpending("notes", "uninote")["pending"] == 1)
        until(waiting(running, 1))  # the consumer has asked for its vector
        running.process.send_signal(signal.SIGTERM)
        until(lambda: '"draining"' in running.log_file.read_text())
        send(client, "late")
        (running.folder / "hold").unlink()
        assert running.process.wait(60) == 0
        (group,) = client.xinfo_groups("notes")
        assert (group["pending"], group["lag"], group["consumers"]) == (
            0,
            1,
            0,
        )  # late is not taken
        assert "secret-of-nobody" not in running.log_file.read_text()
        again = stub(stream={"address": secret})
        until(there(again, "late"))
        assert there(again, "held")()
    finally:
        client.config_set("requirepass", "")


def test_what_is_no_note_is_named_without_quoting_it() -> None:
    parse = feed("redis://localhost:1")._parsed
    assert parse(b'{"id": "a", "title": "t"}')[0] == "a"
    for data, reason in (
        (b"{", "note: is not valid JSON"),
        (b'{"id": ""}', "id: must not be empty"),
        (b'{"id": "a", "title": 7}', "title: must be a text, not a number"),
        (b'{"id": "a", "title": "' + 200 * b"x" + b'"}', "224 bytes, over service.max_body_bytes"),
    ):
        with pytest.raises(ItemError) as error:
            parse(data)
        assert reason in str(error.value)


@pytest.mark.parametrize("address", ["http://host", "redis://:secret@host:port/0", "rediss"])
def test_a_bad_address_is_not_repeated(address: str) -> None:
    with pytest.raises(ConfigError, match="not a Redis address") as error:
        feed(address)
    assert "secret" not in str(error.value)


def test_a_broker_that_is_away_is_told_and_not_waited_for() -> None:
    absent = feed("redis://127.0.0.1:1")
    absent.look()
    assert not absent.state.up
