"""Group commit: concurrent requests share a statement to check keys and a transaction to store notes."""

from __future__ import annotations

import time

from uninote.errors import UniNoteError
from uninote.service.concurrency.coalescer import Coalescer
from uninote.service.db.engine import Database
from uninote.service.domain.base import keys
from uninote.service.domain.base.identity import Identity
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes import ingest
from uninote.service.domain.notes.ingest_types import Delivery, Outcome
from uninote.settings import ServiceSettings

WRITERS, WRITE_NOTES = 1, 64  # concurrent transactions of ingest, and the notes of each
KEYS = 256  # keys that are checked by one statement
KNOWN_SECONDS = 1.0  # a checked key stays valid for that long, unless it is revoked in this process
CONNECTIONS = WRITERS + 1


class GroupCommit:
    """Group commit of notes, and batched checks of keys. It uses up to `CONNECTIONS` database connections."""

    def __init__(self, database: Database, matcher: Matcher, options: ServiceSettings) -> None:
        self._database, self._matcher = database, matcher
        self._keep_pictures = options.keep_pictures
        self._writes: Coalescer[Delivery, list[Outcome]] = Coalescer(
            "database",
            self._write,
            threads=WRITERS,
            most=WRITE_NOTES,
            waiting=options.queue_calls,
            weight=lambda delivery: len(delivery.batch),
        )
        self._known: dict[bytes, tuple[float, Identity]] = {}
        self._checks: Coalescer[str, Identity] = Coalescer(
            "database", self._check, threads=1, most=KEYS, waiting=options.queue_calls
        )

    @property
    def calls(self) -> int:
        """Number of calls that wait or run."""
        return self._writes.calls + self._checks.calls

    async def store(self, delivery: Delivery) -> list[Outcome]:
        """Store and match notes; return when they are on disk. Raises as `ingest`, and BusyError."""
        return await self._writes.run(delivery)

    async def identify(self, key: str) -> Identity:
        """Return the identity of a key, at most `KNOWN_SECONDS` old. Raises UnauthorizedError, BusyError."""
        now, digest = time.monotonic(), keys.digest_of(key)
        cache = self._known
        checked, identity = cache.get(digest, (-KNOWN_SECONDS, None))
        if identity is None or now >= checked + KNOWN_SECONDS:
            identity = await self._checks.run(key)  # a revocation meanwhile replaces `self._known`
            for old in [each for each, (when, _) in cache.items() if now >= when + KNOWN_SECONDS]:
                del cache[old]
            cache[digest] = now, identity
        return identity

    def revoked(self) -> None:
        """Clear the cache of checked keys, after a revocation in this process."""
        self._known = {}

    def close(self) -> None:
        """Wait for the transactions that run."""
        self._writes.close()
        self._checks.close()

    def _write(self, deliveries: list[Delivery]) -> list[list[Outcome] | UniNoteError]:
        return ingest.store_deliveries(
            self._database, self._matcher, deliveries, keep_pictures=self._keep_pictures
        )

    def _check(self, texts: list[str]) -> list[Identity | UniNoteError]:
        found = self._database.read(lambda session: keys.verify_all(session, texts))
        return list(found)
