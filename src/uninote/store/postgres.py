"""Store in PostgreSQL with pgvector: embedded in a folder, or any server by address."""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar, cast

import psycopg
from numpy.typing import ArrayLike
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql
from psycopg_pool import ConnectionPool

from uninote.errors import StoreError
from uninote.store.embedded import EmbeddedServer
from uninote.store.pgvector.build import build, memory_mb
from uninote.store.pgvector.errors import LACKS_RESOURCES, lacks_shared_memory, sentence
from uninote.store.pgvector.filters import filter_values
from uninote.store.pgvector.search import (
    EXACT_BELOW,
    HNSW_DIMS,
    MAX_EF,
    SERIAL,
    SESSION,
    SPARE,
    TUNE_HNSW,
    Precision,
)
from uninote.store.protocol import EVERYTHING, Filter, Hit, Record, UpsertReport, ranked
from uninote.store.schema import CONNECT_SECONDS, prepare
from uninote.store.sql import (
    LOCK_SCHEMA,
    VectorTable,
    statements,
)
from uninote.store.validate import (
    CheckedRecord,
    check_k,
    check_records,
    check_threshold,
    cosine,
    storable,
    unit_queries,
)

CHUNK = 2000  # rows in one INSERT: bounds the memory of one statement, all chunks share one transaction
MIN_EF = 200

log = logging.getLogger(__name__)

Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")


class PostgresStore:
    """`Store` over one table per collection.

    place: an address (`postgresql://...`), or a folder whose embedded server is started and shared.
    index: `exact` compares with every selected row; `hnsw` searches approximately, and exactly whenever the
        filter selects at most `exact_below` rows, `k` is above 1000, or the index returned fewer than `k`
        rows. `flush` and opening build the index once there are `exact_below` rows; until then search is
        exact.
    precision: `half` stores 16-bit floats: half the space, errors of scores below 1e-3.

    Every call is one transaction, repeated once when the connection was lost: all calls are idempotent.
    Raises StoreError when the server cannot be used, or the collection was made with another dimension,
    precision or schema version. Open it after forking, not before.
    """

    def __init__(
        self,
        place: str | Path,
        dim: int,
        *,
        index: Literal["exact", "hnsw"] = "hnsw",
        collection: str = "items",
        precision: Precision = "single",
        exact_below: int = EXACT_BELOW,
        connections: int = 8,
    ) -> None:
        if index == "hnsw" and dim > HNSW_DIMS[precision]:
            half = "precision 'half', " if precision == "single" and dim <= HNSW_DIMS["half"] else ""
            raise StoreError(
                f"an HNSW index of {precision} precision holds {HNSW_DIMS[precision]} dimensions, not {dim}; "
                f"use {half}index 'exact' or a narrower Matryoshka dimension"
            )
        self.dim = dim
        self._index = index
        self._exact_below = exact_below
        self._table = wanted = VectorTable(collection, dim, precision)
        self._sql = statements(wanted)
        self._server = EmbeddedServer(place) if isinstance(place, Path) else None
        self._address = self._server.address if self._server else cast(str, place)
        self._connections = connections
        self._pool: ConnectionPool[Connection] | None = None
        self._serial = False
        self._lock = Lock()
        self._closed = False
        self._owner_pid = os.getpid()
        try:
            with _store_errors():
                prepare(self._address, wanted, self._sql)
            self._index_if_possible()
        except BaseException:
            self.close()
            raise
        atexit.register(self.close)

    def upsert(self, records: Iterable[Record]) -> UpsertReport:
        good, rejected = check_records(records, self.dim)

        def write(connection: Connection) -> None:
            with connection.transaction():
                for start in range(0, len(good), CHUNK):
                    connection.execute(self._sql.upsert, _columns(good[start : start + CHUNK]))

        self._call(write)
        return UpsertReport(written=len(good), rejected=rejected)

    def delete(self, ids: Iterable[str]) -> int:
        wanted = sorted(filter(storable, set(ids)))
        return self._call(lambda connection: connection.execute(self._sql.delete, {"ids": wanted}).rowcount)

    def search(self, vectors: ArrayLike, k: int, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_k(k)
        queries = [Vector(row) for row in unit_queries(vectors, self.dim)]
        values = filter_values(filter) | {"k": k}

        def exact(connection: Connection, queries: list[Vector]) -> list[list[Hit]]:
            return _results(connection, self._sql.search_exact, values, queries)

        def approximate(connection: Connection) -> list[list[Hit]]:
            bound = max(self._exact_below, k) + 1
            selected = self._number(connection, self._sql.count_up_to, values | {"limit": bound})
            if selected < bound or k > MAX_EF:
                return exact(connection, queries)
            with connection.transaction():
                connection.execute(TUNE_HNSW, [str(min(MAX_EF, max(MIN_EF, 4 * k)))])
                near = _results(connection, self._sql.search_hnsw, values | {"k": k + SPARE}, queries)
            results = [hits[:k] for hits in near]
            short = [number for number, hits in enumerate(results) if len(hits) < k]
            if short:
                complete = exact(connection, [queries[number] for number in short])
                for number, hits in zip(short, complete, strict=True):
                    results[number] = hits
            return results

        if self._index == "exact":
            return self._call(lambda connection: exact(connection, queries))
        return self._call(approximate)

    def within(self, vectors: ArrayLike, threshold: float, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_threshold(threshold)
        queries = [Vector(row) for row in unit_queries(vectors, self.dim)]
        rounded = float(threshold) - 1e-6  # scores are compared as rounded
        values = filter_values(filter) | {"threshold": rounded}
        found = self._call(lambda connection: _results(connection, self._sql.within, values, queries))
        return [[hit for hit in hits if hit.score >= threshold] for hits in found]

    def count(self, filter: Filter = EVERYTHING) -> int:
        return self._call(lambda connection: self._number(connection, self._sql.count, filter_values(filter)))

    def flush(self) -> None:
        """Refresh the planner's statistics, and build the HNSW index once there are `exact_below` rows."""
        self._index_when_large()
        self._call(lambda connection: connection.execute(self._sql.analyze))

    def close(self) -> None:
        if os.getpid() != self._owner_pid:  # a forked child must not close its parent's connections
            return
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
            if self._pool:
                self._pool.close()
            if self._server:
                self._server.close()

    def _index_if_possible(self) -> None:
        """Build the index of a large collection; without room for it, search without one, and say so."""
        try:
            self._index_when_large()
        except StoreError as error:
            if not (getattr(error.__cause__, "sqlstate", None) or "").startswith(LACKS_RESOURCES):
                raise
            log.warning("no index could be built, so searches compare every row: %s", error)

    def _index_when_large(self) -> None:
        """Build the index of a large collection, several times faster after a load than row by row."""

        def work(connection: Connection) -> None:
            def create() -> None:
                with connection.transaction():
                    connection.execute(LOCK_SCHEMA)
                    connection.execute(self._sql.create_index)

            rows = self._number(connection, self._sql.count, filter_values(EVERYTHING))
            if rows >= self._exact_below:
                size = self._table.bytes_per_vector
                build(connection, create, memory_mb(rows, size, local=self._server is not None))

        if self._index == "hnsw":
            self._call(work)

    @staticmethod
    def _number(connection: Connection, statement: sql.Composed, values: dict[str, Any]) -> int:
        row = connection.execute(statement, values).fetchone()
        assert row is not None  # an aggregate always returns a row
        return int(row[0])

    def _call(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` on a pooled connection, and once more on new ones after an error of the server.

        A lost server is restarted if it is embedded. Without shared memory, queries get no parallel workers.
        """
        with _store_errors():
            pool = self._live_pool(broken=None)
            try:
                with pool.connection() as connection:
                    return work(connection)
            except psycopg.OperationalError as error:
                self._serial = self._serial or lacks_shared_memory(error)
                with self._live_pool(broken=pool).connection() as connection:
                    return work(connection)

    def _live_pool(self, broken: ConnectionPool[Connection] | None) -> ConnectionPool[Connection]:
        """Return the pool; replace a broken one, whose other connections are lost as well."""
        with self._lock:
            if self._closed:
                raise StoreError("this store is closed")
            if self._pool is None or self._pool is broken:
                if self._server:
                    self._server.ensure_running()
                if self._pool:
                    self._pool.close(timeout=0)
                self._pool = ConnectionPool(
                    self._address,
                    kwargs={
                        "autocommit": True,
                        "prepare_threshold": None,
                        "connect_timeout": CONNECT_SECONDS,
                    },
                    configure=partial(_configure, serial=self._serial),
                    min_size=1,
                    max_size=self._connections,
                    timeout=CONNECT_SECONDS,
                    open=True,
                )
            return self._pool


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn database errors into StoreError, one line."""
    try:
        yield
    except psycopg.Error as error:
        raise StoreError(sentence(error)) from error


def _configure(connection: Connection, *, serial: bool) -> None:
    register_vector(connection)
    connection.execute(f"{SESSION}; {SERIAL}" if serial else SESSION)


def _columns(records: list[CheckedRecord]) -> dict[str, list[Any]]:
    return {
        "ids": [record.id for record in records],
        "vectors": [Vector(record.vector) for record in records],
        "kinds": [record.kind for record in records],
        "categories": [record.category for record in records],
        "times": [record.time for record in records],
        "model_versions": [record.model_version for record in records],
        "payloads": [record.payload for record in records],
    }


def _results(
    connection: Connection, statement: sql.Composed, values: dict[str, Any], queries: list[Vector]
) -> list[list[Hit]]:
    """Return hits per query, best first. Rows: query number from 1, id, score, kind, category, payload."""
    results: list[list[Hit]] = [[] for _ in queries]
    if queries:
        for number, id, score, *rest in connection.execute(statement, values | {"queries": queries}):
            results[number - 1].append(Hit(id, cosine(score), *rest))
    return [ranked(hits) for hits in results]
