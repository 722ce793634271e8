"""Consumer of a Redis stream of notes: at least once delivered, once in effect, poison set aside.

A message is acknowledged after its note is on disk, so whatever a killed process had taken is delivered
again; storing a note twice changes nothing. A message that cannot be stored goes to the dead-letter stream
with the reason, in the same transaction as its acknowledgement. One that ends the process each time it is
touched is counted by Redis, and goes there as well.

Updates of one note are applied in the order of the stream as long as one consumer reads it: to share the
work between several, give each a stream of its own and choose it by the note's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, TypeVar, cast

import redis
import structlog

from uninote.errors import UniNoteError

FIELD = b"note"
MAX_DEAD = 100_000  # about so many dead letters are kept, the newest
MAX_COUNTED = 10_000
Parsed = TypeVar("Parsed")
Message = tuple[bytes, Mapping[bytes, bytes]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class StreamOptions:
    """Where to read from. `consumer` is the name that a restarted process takes again.

    idle_seconds: after so long without a sign of life, what another consumer had taken is taken over.
    deliveries: a message that was delivered more often without an end goes to the dead letters.
    """

    stream: str
    group: str = "uninote"
    consumer: str = "1"
    batch: int = 64
    block_seconds: float = 1.0
    idle_seconds: float = 60.0
    deliveries: int = 5

    @property
    def dead(self) -> str:
        return f"{self.stream}:dead"


@dataclass(frozen=True)
class Lag:
    """What is not stored yet: messages not delivered to anybody, and delivered ones not acknowledged."""

    waiting: int
    pending: int


class StreamConsumer(Generic[Parsed]):
    """Reads messages whose field `note` is parsed and then stored.

    parse: a message's bytes to (note id, what `store` takes); a UniNoteError makes it a dead letter.
    store: makes notes durable, each id once, and returns per note None or why it can never be stored. When it
        raises a UniNoteError, the same notes are tried again until they succeed: nothing else is read.
    settled: called after each acknowledgement with the numbers of stored messages and of dead letters.
    """

    def __init__(
        self,
        client: redis.Redis,
        options: StreamOptions,
        parse: Callable[[bytes], tuple[str, Parsed]],
        store: Callable[[Sequence[Parsed]], Sequence[str | None]],
        settled: Callable[[int, int], None] = lambda stored, dead: None,
    ) -> None:
        self._client = client
        self._options = options
        self._parse = parse
        self._store = store
        self._settled = settled
        self._stop = Event()

    def stop(self) -> None:
        """Let `run` end after its current batch."""
        self._stop.set()

    def run(self) -> None:
        """Consume until `stop`: first what this consumer had taken when it died, then new messages.

        A broker that is away, or refuses (a failover, a group that was deleted), is waited for.
        """
        wait = 0.1
        started = False
        while not self._stop.is_set():
            try:
                if not started:
                    self._create_group()
                    started = not self._again(self._own())
                elif not self._again(self._abandoned()):
                    self._handle(self._fresh())
                wait = 0.1
            except (redis.ConnectionError, redis.TimeoutError) as error:
                log.warning("stream.broker_lost", reason=type(error).__name__, retry_seconds=wait)
                wait = self._wait(wait)
            except redis.ResponseError as error:
                started = False  # the group may be gone, with all of the broker's data
                # Its first word is a code such as NOGROUP; the rest may quote what was sent.
                log.warning("stream.broker_refused", reason=str(error).split(" ")[0], retry_seconds=wait)
                wait = self._wait(wait)

    def leave(self) -> None:
        """Take this consumer's name out of the group, unless it still holds messages.

        Call it after `run`, and only for a name that no other process uses.
        """
        stream, group, name = self._options.stream, self._options.group, self._options.consumer
        try:
            if not self._client.xpending_range(stream, group, "-", "+", count=1, consumername=name):
                self._client.xgroup_delconsumer(stream, group, name)
        except redis.RedisError as error:
            log.warning("stream.not_left", reason=type(error).__name__)

    def lag(self) -> Lag:
        """Return what this group has not stored, counted up to `MAX_COUNTED` where Redis lost count.

        Raises redis.ConnectionError when the broker is away, redis.ResponseError before the first `run`.
        """
        stream = self._options.stream
        groups = self._client.xinfo_groups(stream)
        (group,) = [one for one in groups if one["name"] == self._options.group.encode()]
        waiting = group["lag"]
        if waiting is None:  # after deletions, and after a restart
            last = b"(" + group["last-delivered-id"]
            waiting = len(self._client.xrange(stream, min=last, count=MAX_COUNTED) or ())
        return Lag(int(waiting), int(group["pending"]))

    def _create_group(self) -> None:
        try:
            self._client.xgroup_create(self._options.stream, self._options.group, id="0", mkstream=True)
        except redis.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    def _own(self) -> list[Message]:
        """The first message that this consumer had before it died."""
        return self._read("0", 1, None)

    def _abandoned(self) -> list[Message]:
        """A message that a dead consumer had. One at a time: if it kills, it must not take others along."""
        idle = int(1000 * self._options.idle_seconds)
        found = cast(
            tuple[bytes, list[Message], list[bytes]],
            self._client.xautoclaim(
                self._options.stream, self._options.group, self._options.consumer, idle, count=1
            ),
        )
        return found[1]

    def _fresh(self) -> list[Message]:
        return self._read(">", self._options.batch, max(1, int(1000 * self._options.block_seconds)))

    def _read(self, start: str, count: int, block: int | None) -> list[Message]:
        answer = self._client.xreadgroup(
            self._options.group,
            self._options.consumer,
            {self._options.stream: start},
            count=count,
            block=block,
        )
        found = cast(list[tuple[bytes, list[Message]]], answer or [])
        return found[0][1] if found else []

    def _again(self, messages: Sequence[Message]) -> bool:
        """Handle a message that was delivered before; whether there was one."""
        if not messages:
            return False
        ((number, _),) = messages
        pending = self._client.xpending_range(
            self._options.stream, self._options.group, min=number, max=number, count=1
        )
        times = sum(int(one["times_delivered"]) for one in cast(list[dict[str, Any]], pending))
        if times > self._options.deliveries:
            self._settle(messages, [f"{times - 1} deliveries did not come to an end; it may end the process"])
        else:
            self._handle(messages)
        return True

    def _handle(self, messages: Sequence[Message]) -> None:
        """Store in the order of the stream, every note id once in a call, and acknowledge."""
        run: dict[str, tuple[Message, Parsed]] = {}
        for message in messages:
            try:
                note_id, parsed = self._parsed(message)
            except UniNoteError as error:
                self._settle([message], [str(error)])
                continue
            if note_id in run:
                self._store_all(list(run.values()))
                run = {}
            run[note_id] = message, parsed
        if run:
            self._store_all(list(run.values()))

    def _parsed(self, message: Message) -> tuple[str, Parsed]:
        data = message[1].get(FIELD) if message[1] else None
        if data is None:
            raise UniNoteError(f"the message has no field {FIELD.decode()!r}")
        return self._parse(data)

    def _store_all(self, run: Sequence[tuple[Message, Parsed]]) -> None:
        messages = [message for message, _ in run]
        wait = 0.1
        while not self._stop.is_set():
            try:
                reasons = self._store([parsed for _, parsed in run])
            except UniNoteError as error:
                log.warning("stream.store_failed", reason=str(error), retry_seconds=wait)
                self._stop.wait(wait)
                wait = min(self._options.idle_seconds / 3, 10.0, 2 * wait)
                self._hold(messages)
            else:
                self._settle(messages, reasons)
                return

    def _hold(self, messages: Sequence[Message]) -> None:
        """Tell the others that these are in good hands; this counts as no delivery."""
        self._client.xclaim(
            self._options.stream,
            self._options.group,
            self._options.consumer,
            min_idle_time=0,
            message_ids=[number for number, _ in messages],
            justid=True,
        )

    def _settle(self, messages: Sequence[Message], reasons: Sequence[str | None]) -> None:
        """Acknowledge, in one transaction with the dead letters of those that have a reason."""
        pipeline = self._client.pipeline(transaction=True)
        for (number, fields), reason in zip(messages, reasons, strict=True):
            if reason is not None:
                letter = {**(fields or {}), b"reason": reason, b"message": number}
                pipeline.xadd(self._options.dead, cast(Any, letter), maxlen=MAX_DEAD, approximate=True)
        pipeline.xack(self._options.stream, self._options.group, *[number for number, _ in messages])
        pipeline.execute()
        dead = sum(reason is not None for reason in reasons)
        self._settled(len(messages) - dead, dead)

    def _wait(self, seconds: float) -> float:
        """Sleep unless stopped; return how long to sleep the next time."""
        self._stop.wait(seconds)
        return min(10.0, 2 * seconds)
