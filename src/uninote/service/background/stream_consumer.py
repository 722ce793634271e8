"""Redis stream consumer of notes: delivery at least once, idempotent effect, dead letters for bad messages.

A message is acknowledged after its note is on disk, so messages of a killed process are delivered again.
Storing a note twice changes nothing. A message that cannot be stored goes to the dead-letter stream with the
reason, in the same transaction as its acknowledgement. So does a message that crashes the process each time:
Redis counts its deliveries.

Updates of one note are applied in the order of the stream if one consumer reads it. To share the work between
several consumers, give each its own stream and choose the stream by the note's id.
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
MAX_DEAD = 100_000  # approximate number of dead letters to keep, the newest ones
MAX_COUNTED = 10_000
Parsed = TypeVar("Parsed")
Message = tuple[bytes, Mapping[bytes, bytes]]
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class StreamOptions:
    """Stream, consumer group and limits. consumer: a name that a restarted process uses again.

    idle_seconds: messages of another consumer that was idle for that long are claimed. deliveries: a message
    that was delivered more often without being acknowledged becomes a dead letter.
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
    """Numbers of messages that are not delivered (waiting), and delivered but not acknowledged (pending)."""

    waiting: int
    pending: int


class StreamConsumer(Generic[Parsed]):
    """Consumer that parses and stores the field `note` of each message.

    parse: converts a message's bytes to (note id, argument of `store`); a UniNoteError makes a dead letter.
    store: makes notes durable, each id once per call; returns per note None or the reason why it can never be
        stored. After a UniNoteError the same notes are retried until they succeed, before others are read.
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
        """Make `run` return after its current batch."""
        self._stop.set()

    def run(self) -> None:
        """Consume until `stop`: first the pending messages of this consumer's last run, then new ones.

        While the broker is absent or refuses (failover, deleted group), it retries with backoff.
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
                started = False  # the group may be lost, with all of the broker's data
                # Its first word is a code such as NOGROUP; the rest may quote what was sent.
                log.warning("stream.broker_refused", reason=str(error).split(" ")[0], retry_seconds=wait)
                wait = self._wait(wait)

    def leave(self) -> None:
        """Remove this consumer's name from the group, unless it has pending messages.

        Call it after `run`, and only for a name that no other process uses.
        """
        stream, group, name = self._options.stream, self._options.group, self._options.consumer
        try:
            if not self._client.xpending_range(stream, group, "-", "+", count=1, consumername=name):
                self._client.xgroup_delconsumer(stream, group, name)
        except redis.RedisError as error:
            log.warning("stream.not_left", reason=type(error).__name__)

    def lag(self) -> Lag:
        """Return the group's lag, counted up to `MAX_COUNTED` where Redis does not know it.

        Raises redis.ConnectionError without a broker, redis.ResponseError before the first `run`.
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
        """Read the first pending message of this consumer, from before a crash."""
        return self._read("0", 1, None)

    def _abandoned(self) -> list[Message]:
        """Claim one message of a dead consumer. Only one, since it may crash this process, too."""
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
        """Handle a message that was delivered before; return whether there was one."""
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
        """Store messages in the order of the stream, each note id once per call, and acknowledge them."""
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
                self._renew(messages)
            else:
                self._settle(messages, reasons)
                return

    def _renew(self, messages: Sequence[Message]) -> None:
        """Claim the messages again, so that no other consumer does; this does not count as a delivery."""
        self._client.xclaim(
            self._options.stream,
            self._options.group,
            self._options.consumer,
            min_idle_time=0,
            message_ids=[number for number, _ in messages],
            justid=True,
        )

    def _settle(self, messages: Sequence[Message], reasons: Sequence[str | None]) -> None:
        """Acknowledge messages; in the same transaction, write a dead letter for each one with a reason."""
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
        """Sleep unless stopped; return the next delay of the backoff."""
        self._stop.wait(seconds)
        return min(10.0, 2 * seconds)
