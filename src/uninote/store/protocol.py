"""Vector store protocol: the promises of every engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from numpy.typing import ArrayLike

from uninote.errors import VectorError


@dataclass(frozen=True, eq=False)
class Record:
    """One stored vector with the fields that filter and show it.

    `vector` has shape [dim] and any non-zero length (only its direction is kept). `time` carries a time
    zone. `payload` is JSON: strings, finite numbers, booleans, None, lists and string-keyed mappings.
    """

    id: str
    vector: ArrayLike
    kind: str
    category: str = ""
    time: datetime | None = None
    model_version: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Hit:
    """One search result; `score` is the cosine with the query in [-1, 1], to six decimals."""

    id: str
    score: float
    kind: str
    category: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Filter:
    """Selection of records. None means any; an empty tuple selects nothing; all fields must match.

    `since` <= time < `until`, both with a time zone; a record without a time is outside every range.
    """

    kinds: tuple[str, ...] | None = None
    categories: tuple[str, ...] | None = None
    model_versions: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None


CONTENT_KEY = "content_key"
"""The field of a record's payload that holds `Item.key` of what was embedded."""

EVERYTHING = Filter()


@dataclass(frozen=True)
class UpsertReport:
    """Result of one upsert: the number of ids written, and (id, reason) of each record refused."""

    written: int
    rejected: tuple[tuple[str, str], ...] = ()

    def raise_rejected(self) -> None:
        """Raise VectorError naming every refused record; does nothing when there is none."""
        if self.rejected:
            reasons = "; ".join(f"record {id!r}: {reason}" for id, reason in self.rejected)
            raise VectorError(f"{len(self.rejected)} records were not stored: {reasons}")


class Store(Protocol):
    """Vectors of one dimension under string ids, safe for use from many threads.

    Invariants, held by every implementation and checked by one test suite:

    * Durable: when `upsert` or `delete` has returned, its effect survives the death of this process and,
      except in the in-memory store, of the database server; every later call sees it.
    * Idempotent: ids are unique, the last write of an id wins whole (vector and all fields), also within
      one batch; writing the same record twice changes nothing.
    * A record with a NaN, infinite, zero or wrong-dimension vector, or a field that cannot be stored, is
      named in the report and nothing of it is stored (an older record under its id stays); the good
      records of its batch are stored.
    * Scores are cosines in [-1, 1] rounded to six decimals, within 1e-3 of exact float32 arithmetic.
    * Results come in descending score, equal scores in ascending id (by code point).
    * `search` returns min(k, count(filter)) hits per query: exactly the best ones, or approximately if the
      implementation has an approximate index. `count` is always exact, and so is `within`: every record that
      reaches the threshold, and no other. A store that cannot give the whole answer raises StoreError.
    * Equal vectors score exactly 1, in every precision.

    A query that is NaN, infinite, zero or of the wrong dimension raises VectorError; a bad `k` or
    `threshold`, a closed store or a failing server raises StoreError.
    """

    @property
    def dim(self) -> int:
        """Dimension of every stored vector."""

    def upsert(self, records: Iterable[Record]) -> UpsertReport:
        """Insert or replace records by id, all good ones in one transaction."""

    def delete(self, ids: Iterable[str]) -> int:
        """Remove records; return how many of the ids were stored."""

    def search(self, vectors: ArrayLike, k: int, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        """Return the k nearest records of each query; `vectors` is float [q, dim], the answer has q lists."""

    def within(self, vectors: ArrayLike, threshold: float, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        """Return every record with score >= threshold, per query; `vectors` is float [q, dim].

        For programs that use a store directly: no command searches by threshold.
        """

    def count(self, filter: Filter = EVERYTHING) -> int:
        """Return the number of records that the filter selects."""

    def flush(self) -> None:
        """Update statistics and indexes after a large load; never needed for durability."""

    def close(self) -> None:
        """Release connections and servers; a second call does nothing."""


def ranked(hits: Iterable[Hit]) -> list[Hit]:
    """Return hits in descending score, equal scores in ascending id."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))
