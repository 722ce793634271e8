"""Collections of a vector cluster: one per model version, opened when they are first used."""

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
"""After a failure, so long nothing is tried: callers do not queue for a cluster that is away."""


class Collection(Store, Protocol):
    """A store that can be deleted as a whole."""

    def drop(self) -> None:
        """Delete it with all records; it cannot be used after that."""


Open = Callable[[str, int], Collection]
"""Opens the collection of a model version and its dimension, and makes it where there is none."""


def opener(settings: ClusterSettings, *, call_seconds: float | None = None, patient: bool = True) -> Open:
    """Opens the collections that `settings` name. Impatient ones do not wait for a server that is away."""

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
        )

    return open_one


class Collections:
    """Those that are open in this process; safe for use from many threads."""

    def __init__(self, open_one: Open) -> None:
        self._open = open_one
        self._there: dict[str, Collection] = {}
        self._lock = Lock()
        self._failed_until = 0.0

    def get(self, version: str, dim: int) -> Collection:
        """Raises StoreError when the cluster cannot be used."""
        with self._lock:
            if version not in self._there:
                if time.monotonic() < self._failed_until:
                    raise StoreError("the cluster cannot be reached")
                try:
                    self._there[version] = self._open(version, dim)
                except StoreError:
                    self._failed_until = time.monotonic() + BREAK_SECONDS
                    raise
            return self._there[version]

    def forget(self, version: str | None = None) -> None:
        """Close one or all; they are opened again when they are used. For one that failed: it may have been
        deleted by a rebuild, and opening makes it again."""
        with self._lock:
            gone = [version] if version is not None else list(self._there)
            closing = [self._there.pop(name) for name in gone if name in self._there]
        for one in closing:
            with suppress(StoreError):
                one.close()

    def sink(self, models: Mapping[str, int]) -> Callable[[Sequence[Change]], None]:
        """Writes changes into the collections of these versions (dimension by version)."""
        return outbox.store_sink({version: self.get(version, dim) for version, dim in models.items()})


def written(database: Database) -> dict[str, int]:
    """The dimension of every version that notes are written with, by version."""
    known = database.transaction(versions.listing)
    return {model.version: model.dim for model in known if model.state != "retired"}


def write(database: Database, collections: Collections, changes: Sequence[Change]) -> None:
    """Make changes durable in every collection. Raises StoreError; the next call begins afresh."""
    try:
        collections.sink(written(database))(changes)
    except StoreError:
        collections.forget()
        raise


def rebuild(database: Database, open_one: Open, *, again: bool = True) -> int:
    """Empty the cluster and queue every note for it; return how many. Running services deliver them, and
    search the database meanwhile. again: also when an earlier rebuild was finished.

    Raises ConflictError while another process does the same, StoreError when the cluster or the database
    cannot be used; call it again then.
    """
    with database.try_lock("uninote.cluster.rebuild") as held:
        if held is None:
            raise ConflictError("another process is rebuilding the cluster; wait for it")
        if not again and database.transaction(outbox.rebuilt):
            return 0
        for version, dim in written(database).items():
            open_one(version, dim).drop()
        return outbox.rebuild(database)
