"""Ingest of notes from a Redis stream, through the same use case as the API."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from uninote.errors import ConfigError, ItemError
from uninote.extras import needs
from uninote.problems import problems_of
from uninote.service.background.worker import Worker
from uninote.service.domain.notes.ingest_types import Outcome
from uninote.service.schemas.content import NoteIn
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import StreamSettings

if TYPE_CHECKING:  # an extra
    import redis

ACTOR = "stream"
SOCKET_SECONDS = 20.0
SCHEMES = ("redis://", "rediss://", "unix://")

Store = Callable[[Sequence[NoteIn]], Coroutine[Any, Any, list[Outcome]]]


@dataclass(frozen=True)
class StreamState:
    """State of the stream. up: whether the broker answers. waiting: messages not delivered to a consumer.

    pending: messages delivered but not stored.
    """

    up: bool = False
    waiting: int = 0
    pending: int = 0


class RedisStream:
    """Stream consumer of one process, on a background thread.

    longest: maximal bytes of a message. most: maximal messages of a batch. Raises ConfigError for a malformed
    address, MissingExtraError without the Redis client.
    """

    def __init__(
        self,
        settings: StreamSettings,
        metrics: Metrics,
        on_death: Callable[[BaseException], None],
        *,
        longest: int,
        most: int,
    ) -> None:
        client = _client(settings.address)
        from uninote.service.background.stream_consumer import StreamConsumer, StreamOptions

        self.name = settings.consumer or f"{socket.gethostname()}-{os.getpid()}"
        self._unique_name = not settings.consumer
        self._longest = longest
        options = StreamOptions(
            settings.name,
            group=settings.group,
            consumer=self.name,
            batch=min(settings.batch, most),
            idle_seconds=settings.idle_seconds,
            deliveries=settings.deliveries,
        )
        stored, dead = (metrics.messages.labels(result) for result in ("stored", "dead"))

        def settled(good: int, bad: int) -> None:
            stored.inc(good)
            dead.inc(bad)

        self._consumer = StreamConsumer(client, options, self._parsed, self._stored, settled)
        self._worker = Worker("stream", self._consumer.run, self._consumer.stop, on_death)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store: Store | None = None
        self.state = StreamState()
        metrics.gauge("stream_up", "Whether the broker answers.", lambda: self.state.up)
        metrics.gauge("stream_waiting", "Messages that nobody has taken.", lambda: self.state.waiting)
        metrics.gauge("stream_pending", "Messages taken, but not stored.", lambda: self.state.pending)

    def start(self, loop: asyncio.AbstractEventLoop, store: Store) -> None:
        """Start to consume. store: stores and matches notes; it runs on `loop`, the service's event loop."""
        self._loop, self._store = loop, store
        self._worker.start()

    def stop(self) -> None:
        """Stop reading messages."""
        self._worker.stop()

    def close(self, seconds: float) -> None:
        """Wait for the current batch; messages not stored by then are delivered again."""
        self.stop()
        if self._worker.join(seconds) and self._unique_name:
            self._consumer.leave()

    def look(self) -> None:
        """Update `state`; blocks for a round trip to the broker."""
        import redis

        try:
            lag = self._consumer.lag()
            self.state = StreamState(True, lag.waiting, lag.pending)
        except redis.ResponseError:  # before the group is created
            self.state = StreamState(True)
        except (redis.RedisError, ValueError):
            self.state = StreamState(False, self.state.waiting, self.state.pending)

    def _parsed(self, data: bytes) -> tuple[str, NoteIn]:
        """Parse a message to (note id, note). Raises ItemError, which names the field and quotes nothing."""
        if len(data) > self._longest:
            raise ItemError(f"the note has {len(data)} bytes, over service.max_body_bytes")
        try:
            note = NoteIn.model_validate_json(data)
        except ValidationError as error:
            where, message = problems_of(error, NoteIn)[0]
            raise ItemError(f"{where or 'note'}: {message}") from None
        return note.id, note

    def _stored(self, notes: Sequence[NoteIn]) -> list[str | None]:
        assert self._loop is not None, "started"
        assert self._store is not None
        outcomes = asyncio.run_coroutine_threadsafe(self._store(notes), self._loop).result()
        return [one.reason if one.status == "rejected" else None for one in outcomes]


def _client(address: str) -> redis.Redis:
    """Return a client for the address. Raises ConfigError without the address: it may hold a password."""
    with needs("redis"):
        import redis
    if address.startswith(SCHEMES):
        with suppress(ValueError):
            return redis.Redis.from_url(
                address, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
            )
    raise ConfigError("stream.address is not a Redis address (redis://user:password@host:6379/0)")
