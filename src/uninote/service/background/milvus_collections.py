"""Milvus collections of the vector cluster: one per model version, opened on first use."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Lock
from typing import Protocol

from uninote.errors import StoreError
from uninote.service.db.engine import Database
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import outbox
from uninote.service.domain.notes.outbox import Change
from uninote.service.errors import ConflictError
from uninote.settings import ClusterSettings
from uninote.store.factory import open_milvus
from uninote.store.protocol import Store

BREAK_SECONDS = 5.0
"""Circuit breaker: for that long after a failure the cluster is not called, so that callers do not queue."""


class Collection(Store, Protocol):
    """A store that can be deleted as a whole."""

    def drop(self) -> None:
        """Delete the collection with all records; it cannot be used after that."""


Open = Callable[[str, int], Collection]
"""Opener of the collection of a model version and its dimension; it creates a missing collection."""


def opener(
    settings: ClusterSettings,
    *,
    call_seconds: float | None = None,
    patient: bool = True,
    exact_rows: int | None = None,
) -> Open:
    """Return an opener of the collections of `settings`. patient: whether they wait for an absent server.

    exact_rows: as of `MilvusStore`.
    """

    def open_one(version: str, dim: int) -> Collection:
        name = f"{settings.collection}_{hashlib.sha256(version.encode()).hexdigest()[:16]}"
        return open_milvus(
            settings.address,
            dim,
            collection=name,
            index=settings.index,
            consistency=settings.consistency,
            call_seconds=call_seconds,
            recover_seconds=None if patient else 0.0,
            exact_rows=exact_rows,
        )

    return open_one


class Collections:
    """Pool of the collections that are open in this process; thread-safe."""

    def __init__(self, open_one: Open) -> None:
        self._open = open_one
        self._opened: dict[str, Collection] = {}
        self._lock = Lock()
        self._failed_until = 0.0

    def get(self, version: str, dim: int) -> Collection:
        """Return the collection of a version, opened if needed. Raises StoreError on failure."""
        with self._lock:
            if version not in self._opened:
                if time.monotonic() < self._failed_until:
                    raise StoreError("the cluster cannot be reached")
                try:
                    self._opened[version] = self._open(version, dim)
                except StoreError:
                    self._failed_until = time.monotonic() + BREAK_SECONDS
                    raise
            return self._opened[version]

    def forget(self, version: str | None = None) -> None:
        """Close one collection or all; the next use opens them again.

        Call it after a failure: a rebuild may have deleted the collection, and opening creates it again.
        """
        with self._lock:
            names = [version] if version is not None else list(self._opened)
            closing = [self._opened.pop(name) for name in names if name in self._opened]
        for one in closing:
            with suppress(StoreError):
                one.close()

    def sink(self, models: Mapping[str, int]) -> Callable[[Sequence[Change]], None]:
        """Return a sink into the collections of these versions. models: dimension by version."""
        return outbox.store_sink({version: self.get(version, dim) for version, dim in models.items()})


def written(database: Database) -> dict[str, int]:
    """Return the dimension of every version that notes are written with, by version."""
    stored = database.transaction(versions.listing)
    return {model.version: model.dim for model in stored if model.state != "retired"}


def write(database: Database, collections: Collections, changes: Sequence[Change]) -> None:
    """Write changes durably to every collection. After a StoreError the next call opens them again."""
    try:
        collections.sink(written(database))(changes)
    except StoreError:
        collections.forget()
        raise


def rebuild(database: Database, open_one: Open, *, again: bool = True) -> int:
    """Empty the cluster and queue every note for it; return the number of notes.

    Running services deliver the notes and search the database meanwhile. again: whether to repeat a rebuild
    that was completed. Raises ConflictError while another process rebuilds the cluster, StoreError when the
    cluster or the database cannot be used; call it again then.
    """
    with database.try_lock("uninote.cluster.rebuild") as held:
        if held is None:
            raise ConflictError("another process is rebuilding the cluster; wait for it")
        if not again and database.transaction(outbox.rebuilt):
            return 0
        for version, dim in written(database).items():
            open_one(version, dim).drop()
        return outbox.rebuild(database)
