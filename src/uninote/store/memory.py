"""In-memory store: exact and not durable, for tests and small temporary sets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from threading import RLock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uninote.errors import StoreError
from uninote.store.protocol import EVERYTHING, Filter, Hit, Record, UpsertReport, ranked
from uninote.store.validate import (
    CheckedRecord,
    check_k,
    check_records,
    check_threshold,
    cosine,
    unit_queries,
)


class MemoryStore:
    """`Store` over a dict and one float64 matrix product per query batch."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._records: dict[str, CheckedRecord] = {}
        self._lock = RLock()
        self._closed = False

    def upsert(self, records: Iterable[Record]) -> UpsertReport:
        good, rejected = check_records(records, self.dim)
        with self._open():
            self._records.update((record.id, record) for record in good)
        return UpsertReport(written=len(good), rejected=rejected)

    def delete(self, ids: Iterable[str]) -> int:
        with self._open():
            return sum(self._records.pop(id, None) is not None for id in set(ids))

    def search(self, vectors: ArrayLike, k: int, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_k(k)
        return [ranked(hits)[:k] for hits in self._scored(vectors, filter)]

    def within(self, vectors: ArrayLike, threshold: float, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_threshold(threshold)
        return [
            ranked(hit for hit in hits if hit.score >= threshold) for hits in self._scored(vectors, filter)
        ]

    def count(self, filter: Filter = EVERYTHING) -> int:
        return len(self._selected(filter))

    def flush(self) -> None:
        self._open()

    def close(self) -> None:
        self._closed = True

    def _open(self) -> RLock:
        """Return the lock, for a `with` block. Raises StoreError once the store is closed."""
        if self._closed:
            raise StoreError("this store is closed")
        return self._lock

    def _selected(self, filter: Filter) -> list[CheckedRecord]:
        with self._open():
            return [record for record in self._records.values() if selects(filter, record)]

    def _scored(self, vectors: ArrayLike, filter: Filter) -> list[list[Hit]]:
        queries = unit_queries(vectors, self.dim)
        records = self._selected(filter)
        matrix: NDArray[np.float32] = np.reshape([record.vector for record in records], (-1, self.dim))
        scores = queries.astype(np.float64) @ matrix.astype(np.float64).T
        return [
            [
                Hit(record.id, cosine(score), record.kind, record.category, json.loads(record.payload))
                for record, score in zip(records, row, strict=True)
            ]
            for row in scores.tolist()
        ]


def selects(filter: Filter, record: CheckedRecord) -> bool:
    """Return whether the filter lets the record through."""
    if filter.since is not None and (record.time is None or record.time < filter.since):
        return False
    if filter.until is not None and (record.time is None or record.time >= filter.until):
        return False
    choices = (
        (filter.kinds, record.kind),
        (filter.categories, record.category),
        (filter.model_versions, record.model_version),
    )
    return all(allowed is None or value in allowed for allowed, value in choices)
