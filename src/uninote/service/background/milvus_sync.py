"""Synchronisation with a vector cluster, which is filled from the outbox and searched for candidates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event

import numpy as np
import structlog
from numpy.typing import ArrayLike

from uninote.errors import ConfigError, IncompleteError, StoreError, UniNoteError
from uninote.extras import require
from uninote.service.background.milvus_collections import (
    BREAK_SECONDS,
    Collections,
    Open,
    opener,
    rebuild,
    write,
)
from uninote.service.background.worker import Worker
from uninote.service.db.engine import Database
from uninote.service.domain.notes import outbox
from uninote.service.domain.notes.outbox import OutboxLag
from uninote.service.errors import ConflictError, UnavailableError
from uninote.service.telemetry.metrics import Metrics
from uninote.settings import ClusterSettings
from uninote.store.layout import MILVUS
from uninote.store.protocol import Filter

SPARE = 32
"""Further candidates of a search, to replace notes that were forgotten or changed meanwhile."""
MAX_PENDING = 5000
"""Undelivered changes from which on the database is searched; fewer are candidates of every search."""
WAIT_SECONDS = 30.0
log = structlog.get_logger(__name__)
NONE = OutboxLag(0, 0.0)


@dataclass(frozen=True)
class MilvusState:
    """State of the cluster. filled: whether it has every note, except the changes of `lag`.

    up: whether the last search and the last delivery succeeded.
    """

    up: bool = True
    filled: bool = False
    lag: OutboxLag = NONE


class MilvusSync:
    """Background delivery to the cluster, and its search. It connects on first use.

    open_one: opens collections to fill; they wait for an absent server. search_one: opens collections to
    search; they do not. Raises ConfigError for a malformed address, MissingExtraError without Milvus' client.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        database: Database,
        metrics: Metrics,
        on_death: Callable[[BaseException], None],
        *,
        open_one: Open | None = None,
        search_one: Open | None = None,
    ) -> None:
        if not settings.address.startswith(MILVUS):
            raise ConfigError("cluster.address is not a Milvus address (milvus://user:password@host:19530)")
        if open_one is None:
            require("milvus")
        self.settings = settings
        self._database = database
        self._open = open_one or opener(settings)
        self._write_collections = Collections(self._open)
        # What the index misses the database finds faster than this process compares it.
        exact_rows = 0 if settings.fallback else None
        impatient = opener(
            settings, call_seconds=settings.search_seconds, patient=False, exact_rows=exact_rows
        )
        self._search_collections = Collections(search_one or impatient)
        self._broken_until = 0.0
        self._stop = Event()
        self._worker = Worker("cluster", self._follow, self._stop.set, on_death)
        self.state = MilvusState()
        self._delivering = True
        metrics.gauge("cluster_up", "Whether the cluster answers.", lambda: self.state.up)
        metrics.gauge("cluster_filled", "Whether it holds every note.", lambda: self.state.filled)
        metrics.gauge("cluster_lag_rows", "Changes not delivered to it.", lambda: self.state.lag.rows)
        metrics.gauge("cluster_lag_seconds", "Age of the oldest of them.", lambda: self.state.lag.seconds)

    def start(self) -> None:
        self._worker.start()

    def close(self, seconds: float) -> None:
        """Stop after the current delivery; an interrupted one is sent again later."""
        self._worker.stop()
        self._worker.join(seconds)
        self._write_collections.forget()
        self._search_collections.forget()

    def look(self) -> None:
        """Update `state` from the database. Raises StoreError when the database cannot be used."""
        filled = self._database.transaction(outbox.filled)
        lag = self._database.transaction(outbox.lag)
        if not lag.rows:  # after a failure here, another replica has delivered
            self._delivering = True
        up = self._delivering and time.monotonic() >= self._broken_until
        self.state = MilvusState(up, filled, lag)

    def candidates(
        self, version: str, dim: int, query: ArrayLike, k: int, filter: Filter
    ) -> list[str] | None:
        """Return ids of about the k nearest notes, and some more; None if the database must be searched.

        Among them are all notes with undelivered changes. The caller reads the notes and their exact scores
        from the database. Raises UnavailableError when the cluster cannot answer and `fallback` is off.
        """
        if not self.settings.search:
            return None
        problem = "is being filled" if not self.state.filled else ""
        if not problem and time.monotonic() < self._broken_until:
            problem = "does not answer"
        if not problem:
            # Read first: what is delivered after this, the cluster finds.
            pending = self._database.transaction(partial(outbox.pending, limit=MAX_PENDING))
            problem = "is behind" if len(pending) == MAX_PENDING else ""
        if not problem:
            try:
                collection = self._search_collections.get(version, dim)
                (hits,) = collection.search(np.asarray(query)[None], k + SPARE, filter)
                found = dict.fromkeys(hit.id for hit in hits)
                # Notes that changed may have taken the places of others.
                if len(found) < k + SPARE or len(found.keys() - set(pending)) >= k:
                    return [*(found | dict.fromkeys(pending))]
                problem = "is behind"
            except IncompleteError:
                problem = "does not find all that was asked for"
            except StoreError as error:
                self._broken_until = time.monotonic() + BREAK_SECONDS
                self._search_collections.forget(version)
                log.warning("cluster.search_failed", reason=type(error).__name__)
                problem = "does not answer"
        if not self.settings.fallback:
            raise UnavailableError(f"the vector cluster {problem}; try again")
        return None

    def _follow(self) -> None:
        self._fill_once()
        sink = partial(write, self._database, self._write_collections)

        def send(changes: Sequence[outbox.Change]) -> None:
            try:
                sink(changes)
                self._delivering = True
            except StoreError:
                self._delivering = False
                raise

        outbox.follow(self._database, send, self._stop)

    def _fill_once(self) -> None:
        """Queue every note, unless a rebuild was completed before."""
        while not self._stop.is_set():
            try:
                if self._database.transaction(outbox.rebuilt):
                    return
                log.info("cluster.rebuild", notes=rebuild(self._database, self._open, again=False))
            except ConflictError:  # another replica rebuilds it
                pass
            except UniNoteError as error:
                self._delivering = False
                log.warning("cluster.rebuild_failed", reason=str(error), retry_seconds=WAIT_SECONDS)
                self._stop.wait(WAIT_SECONDS)
            self._stop.wait(0.2)
