"""Redis stream as a source of notes: the ingest of the API, without HTTP."""

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
    """Whether the broker answers; messages that nobody has taken, and that are taken but not stored."""

    up: bool = False
    waiting: int = 0
    pending: int = 0


class RedisStream:
    """The consumer of one process, on a thread of its own.

    longest: bytes of a message. most: messages of one batch.
    Raises ConfigError for an address that is none, MissingExtraError without the client.
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
        self._ours_alone = not settings.consumer
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
        """store: stores and matches notes, run on `loop`, that of the service."""
        self._loop, self._store = loop, store
        self._worker.start()

    def stop(self) -> None:
        """Take no more messages."""
        self._worker.stop()

    def close(self, seconds: float) -> None:
        """Wait for the current batch; what is not stored by then is delivered again."""
        self.stop()
        if self._worker.join(seconds) and self._ours_alone:
            self._consumer.leave()

    def look(self) -> None:
        """Bring `state` up to date; blocks for a moment."""
        import redis

        try:
            lag = self._consumer.lag()
            self.state = StreamState(True, lag.waiting, lag.pending)
        except redis.ResponseError:  # before the group is made
            self.state = StreamState(True)
        except (redis.RedisError, ValueError):
            self.state = StreamState(False, self.state.waiting, self.state.pending)

    def _parsed(self, data: bytes) -> tuple[str, NoteIn]:
        """Raises ItemError, which names the fields and quotes nothing."""
        if len(data) > self._longest:
            raise ItemError(f"the note has {len(data)} bytes, over service.max_body_bytes")
        try:
            note = NoteIn.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "note"
            raise ItemError(f"{where}: {first['msg']}") from None
        return note.id, note

    def _stored(self, notes: Sequence[NoteIn]) -> list[str | None]:
        assert self._loop is not None, "started"
        assert self._store is not None
        outcomes = asyncio.run_coroutine_threadsafe(self._store(notes), self._loop).result()
        return [one.reason if one.status == "rejected" else None for one in outcomes]


def _client(address: str) -> redis.Redis:
    """Raises ConfigError without repeating the address: it may hold a password."""
    with needs("redis"):
        import redis
    if address.startswith(SCHEMES):
        with suppress(ValueError):
            return redis.Redis.from_url(
                address, socket_timeout=SOCKET_SECONDS, socket_connect_timeout=SOCKET_SECONDS
            )
    raise ConfigError("stream.address is not a Redis address (redis://user:password@host:6379/0)")
