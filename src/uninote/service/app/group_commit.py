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

WRITERS, WRITE_NOTES = 1, 64  # transactions of ingest at a time, and the notes of one of them
KEYS = 256  # keys that are checked by one statement
KNOWN_SECONDS = 1.0  # for so long a key counts as good after it was checked, unless it is revoked here
CONNECTIONS = WRITERS + 1


class GroupCommit:
    """Uses up to `CONNECTIONS` of the database's connections."""

    def __init__(self, database: Database, matcher: Matcher, options: ServiceSettings) -> None:
        self._database, self._matcher = database, matcher
        self._keep_pictures = options.keep_pictures
        self._writes: Coalescer[Delivery, list[Outcome]] = Coalescer(
            "database",
            self._write,
            threads=WRITERS,
            most=WRITE_NOTES,
            waiting=options.queue_calls,
            weight=lambda one: len(one.batch),
        )
        self._known: dict[bytes, tuple[float, Identity]] = {}
        self._checks: Coalescer[str, Identity] = Coalescer(
            "database", self._check, threads=1, most=KEYS, waiting=options.queue_calls
        )

    @property
    def calls(self) -> int:
        """What waits or is under way."""
        return self._writes.calls + self._checks.calls

    async def store(self, delivery: Delivery) -> list[Outcome]:
        """Store and match notes; on disk when it returns. Raises as `ingest`, and BusyError."""
        return await self._writes.run(delivery)

    async def identify(self, key: str) -> Identity:
        """Whose key it is, as of `KNOWN_SECONDS` ago at most. Raises UnauthorizedError, BusyError."""
        now, name = time.monotonic(), keys.digest_of(key)
        kept = self._known
        checked, known = kept.get(name, (-KNOWN_SECONDS, None))
        if known is None or now >= checked + KNOWN_SECONDS:
            known = await self._checks.run(key)  # a revocation meanwhile begins a new `self._known`
            for old in [each for each, (when, _) in kept.items() if now >= when + KNOWN_SECONDS]:
                del kept[old]
            kept[name] = now, known
        return known

    def revoked(self) -> None:
        """Forget what was known of keys: one was revoked here."""
        self._known = {}

    def close(self) -> None:
        """Wait for what is under way."""
        self._writes.close()
        self._checks.close()

    def _write(self, deliveries: list[Delivery]) -> list[list[Outcome] | UniNoteError]:
        return ingest.store_deliveries(
            self._database, self._matcher, deliveries, keep_pictures=self._keep_pictures
        )

    def _check(self, texts: list[str]) -> list[Identity | UniNoteError]:
        found = self._database.read(lambda session: keys.verify_all(session, texts))
        return list(found)
