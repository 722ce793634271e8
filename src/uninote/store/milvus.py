"""Milvus store, for more vectors than one machine holds; filled from the outbox of the database.

Differences from PostgreSQL:

* A search sees a write only after waiting for it. `consistency` sets the writes that it waits for: `strong`
  all, which costs every search up to the server's time tick (0.2 s); `session` those of this client;
  `bounded` those older than some seconds.
* An upsert is atomic per request, and a batch of more than `CHUNK` rows is several requests.
* A search returns at most 16,384 rows. StoreError is raised if more are requested.
* With `index="hnsw"` the cluster filters what its index visited, so a filter that few records pass may leave
  it short. The records that pass are then read and compared here, up to `exact_rows` of them; with more,
  IncompleteError is raised. `within` always does so. With `index="exact"` the cluster compares every vector,
  and `within` does so if 16,384 records or more reach the threshold.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from threading import Lock
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymilvus import MilvusClient
from pymilvus.exceptions import MilvusException

from uninote.errors import IncompleteError, StoreError
from uninote.store.milvus_errors import one_line, recovering
from uninote.store.milvus_schema import MAX_PAYLOAD, prepare
from uninote.store.milvus_wire import FIELDS, among, expression_of, hit_of, parts_of, quoted, row_of
from uninote.store.protocol import EVERYTHING, Filter, Hit, Record, UpsertReport, ranked
from uninote.store.validate import check_k, check_records, check_threshold, cosine, storable, unit_queries

EXACT_ROWS = 50_000  # 6 s to read and compare with 384 dimensions, 9 s with 1024
FEW = 200  # records of a filter that the index must find at least
NEAR_ONE = 1 - 1e-4  # the cluster sums in 32 bits, so equal vectors of 1024 dimensions may score 0.999997
CHUNK = 1000  # rows of one request: 4 MB at 1024 dimensions, below the server's 64 MB at any it takes
MAX_ROWS = 16_384  # the server's limit for the rows of one answer
MAX_EF = 2 * MAX_ROWS  # candidates of one search in an HNSW index
QUERIES = 64  # queries of one request
CALL_SECONDS = 30.0
RECOVER_SECONDS = 90.0  # a restarted server answers before it has loaded its collections

Consistency = Literal["strong", "session", "bounded"]
Result = TypeVar("Result")


class MilvusStore:
    """`Store` over one Milvus collection.

    address: `milvus://[user:password@]host:port[/database]`, or `milvus+tls://` for an encrypted connection.
    index: `hnsw` is approximate, `exact` compares with every vector; chosen when the collection is made.
    call_seconds: longest single request. recover_seconds: how long requests are repeated while the server
    is away or loads its collections. exact_rows: the most records that are read and compared here.

    Raises StoreError when the server cannot be used, or the collection was made with another dimension,
    index or schema version.
    """

    def __init__(
        self,
        address: str,
        dim: int,
        *,
        collection: str = "items",
        index: Literal["exact", "hnsw"] = "hnsw",
        consistency: Consistency = "strong",
        call_seconds: float | None = None,
        recover_seconds: float | None = None,
        exact_rows: int | None = None,
    ) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", collection):
            raise StoreError(f"collection name {collection!r}: use a-z, then a-z, 0-9, _ (40 at most)")
        self.dim = dim
        self._name = collection
        self._consistency = consistency.capitalize()
        self._index = index
        self._seconds = CALL_SECONDS if call_seconds is None else call_seconds
        self._recover = RECOVER_SECONDS if recover_seconds is None else recover_seconds
        self._exact_rows = EXACT_ROWS if exact_rows is None else exact_rows
        self._closed = False
        self._lock = Lock()
        uri, token, database = parts_of(address)
        try:
            self._client = MilvusClient(uri=uri, token=token, db_name=database, timeout=self._seconds)
        except MilvusException as error:
            raise StoreError(f"the cluster cannot be reached: {one_line(error)}") from None
        try:
            self._call(partial(prepare, self._client, collection, dim, index, self._seconds))
        except BaseException:
            self.close()
            raise

    def upsert(self, records: Iterable[Record]) -> UpsertReport:
        checked, rejected = check_records(records, self.dim)
        good = [record for record in checked if len(record.payload) <= MAX_PAYLOAD]
        rejected += tuple(
            (record.id, f"payload is longer than {MAX_PAYLOAD} bytes as JSON")
            for record in checked
            if len(record.payload) > MAX_PAYLOAD
        )
        for start in range(0, len(good), CHUNK):
            rows = [row_of(record) for record in good[start : start + CHUNK]]
            self._call(partial(self._client.upsert, self._name, rows, timeout=self._seconds))
        self._open()
        return UpsertReport(written=len(good), rejected=rejected)

    def delete(self, ids: Iterable[str]) -> int:
        wanted = sorted(filter(storable, set(ids)))
        found = 0
        for start in range(0, len(wanted), CHUNK):
            chunk = among("id", wanted[start : start + CHUNK])
            known = self._query([], chunk, consistency="Strong")
            if known:
                self._call(partial(self._client.delete, self._name, filter=chunk, timeout=self._seconds))
            found += len(known)
        self._open()
        return found

    def search(self, vectors: ArrayLike, k: int, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_k(k)
        if k > MAX_ROWS:
            raise StoreError(f"the cluster returns at most {MAX_ROWS} results, not {k}; reduce k")
        queries = unit_queries(vectors, self.dim)
        expression = expression_of(filter)
        if expression is None:
            self._open()
            return [[] for _ in queries]
        exact = self._index == "exact"
        # A filter may leave so few of what the index visited that the best are not among them.
        limit = k if exact or not expression else max(k, FEW)
        results = self._search(queries, expression, limit, {"ef": min(MAX_EF, max(FEW, 4 * k))})
        if not exact and any(len(hits) < limit for hits in results):
            total = self.count(filter)
            short = [row for row, hits in enumerate(results) if len(hits) < min(limit, total)]
            again = self._complete(queries[short], expression, k, total)
            for row, hits in zip(short, again, strict=True):
                results[row] = hits
        return [hits[:k] for hits in results]

    def within(self, vectors: ArrayLike, threshold: float, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_threshold(threshold)
        queries = unit_queries(vectors, self.dim)
        expression = expression_of(filter)
        if expression is None or threshold > 1:
            self._open()
            return [[] for _ in queries]
        if self._index == "exact":
            # The radius is slightly larger, since the comparison below is with rounded scores.
            reach = {"radius": max(-2.0, float(threshold) - 1e-5), "range_filter": 2.0}
            results = self._search(queries, expression, MAX_ROWS, reach)
            if all(len(hits) < MAX_ROWS for hits in results):
                return [[hit for hit in hits if hit.score >= threshold] for hits in results]
        total = self.count(filter)
        if total > self._exact_rows:
            raise IncompleteError(
                f"not every record that reaches the threshold can be found among the {total} that pass the "
                f"filter: filter to {self._exact_rows} at most, or make the collection with index 'exact' "
                f"and choose a threshold that less than {MAX_ROWS} reach"
            )
        return self._compared(queries, expression, None, total, threshold)

    def count(self, filter: Filter = EVERYTHING) -> int:
        expression = expression_of(filter)
        if expression is None:
            self._open()
            return 0
        return self._count(expression)

    def _count(self, expression: str) -> int:
        return int(self._query(["count(*)"], expression)[0]["count(*)"])

    def flush(self) -> None:
        """Flush growing segments, so that the cluster indexes them; large ones it indexes by itself."""
        self._call(lambda: self._client.flush(self._name, timeout=120))

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._client.close()

    def drop(self) -> None:
        """Delete the collection with all records, before a rebuild; this store cannot be used after it."""
        self._call(lambda: self._client.drop_collection(self._name, timeout=self._seconds))
        self.close()

    def _query(
        self, fields: Sequence[str], expression: str, *, consistency: str = "", limit: int | None = None
    ) -> list[Any]:
        """Return these fields and the ids of the rows that the expression selects."""
        rows: list[Any] = self._call(
            lambda: self._client.query(
                self._name,
                filter=expression,
                output_fields=[*fields],
                consistency_level=consistency or self._consistency,
                timeout=self._seconds,
                **({} if limit is None else {"limit": limit}),
            )
        )
        return rows

    def _search(
        self, queries: NDArray[np.float32], expression: str, limit: int, parameters: dict[str, Any]
    ) -> list[list[Hit]]:
        results: list[list[Hit]] = []
        for start in range(0, len(queries), QUERIES):
            ask = partial(
                self._client.search,
                self._name,
                data=queries[start : start + QUERIES].tolist(),
                limit=limit,
                filter=expression,
                search_params={"metric_type": "IP", "params": parameters},
                output_fields=FIELDS,
                consistency_level=self._consistency,
                timeout=self._seconds,
            )
            found = self._call(ask)
            results += [list(map(hit_of, hits)) for hits in found]
        return [ranked(self._corrected(query, hits)) for query, hits in zip(queries, results, strict=True)]

    def _corrected(self, query: NDArray[np.float32], hits: list[Hit]) -> list[Hit]:
        """Return the hits with the scores near 1 summed again in 64 bits, so that equal vectors score 1."""
        near = [hit.id for hit in hits if hit.score >= NEAR_ONE and hit.score < 1]
        exact = {
            row["id"]: cosine(float(query.astype(np.float64) @ np.asarray(row["vector"], np.float64)))
            for start in range(0, len(near), CHUNK)
            for row in self._query(["vector"], among("id", near[start : start + CHUNK]))
        }
        return [replace(hit, score=exact.get(hit.id, hit.score)) for hit in hits]

    def _complete(self, queries: NDArray[np.float32], expression: str, k: int, total: int) -> list[list[Hit]]:
        """Search again where the index left out some of the `total` records that pass the filter."""
        if total <= self._exact_rows:
            return self._compared(queries, expression, k, total)
        results = self._search(queries, expression, k, {"ef": MAX_EF})
        if any(len(hits) < min(k, total) for hits in results):
            raise IncompleteError(
                f"the index does not find {k} of the {total} records that pass the filter: reduce k, call "
                "flush and wait until the cluster has indexed them, or make the collection with index 'exact'"
            )
        return results

    def _compared(
        self, queries: NDArray[np.float32], expression: str, k: int | None, total: int, floor: float = -1.0
    ) -> list[list[Hit]]:
        """Read all `total` records that pass; return the k best (None: all) that score `floor` or more."""
        results: list[list[Hit]] = [[] for _ in queries]
        read = 0
        for rows in self._pages(expression) if len(queries) else ():
            read += len(rows)
            vectors = np.array([row["vector"] for row in rows], np.float64)
            scores = np.clip(queries.astype(np.float64) @ vectors.T, -1, 1).round(6)
            for number, row in enumerate(scores):
                best = [place for place in np.argsort(-row, kind="stable")[:k] if row[place] >= floor]
                fresh = [hit_of({**rows[place], "distance": row[place]}) for place in best]
                results[number] = ranked([*results[number], *fresh])[:k]
        # Records may have been deleted meanwhile, so those that are left are counted.
        if len(queries) and read < total and read < (left := self._count(expression)):
            raise IncompleteError(f"only {read} of the {left} records that pass were read; search again")
        return results

    def _pages(self, expression: str) -> Iterator[list[Any]]:
        """Yield the records that pass the filter with their vectors, by id."""
        last = ""
        while True:
            terms = [f"id > {quoted(last)}", *([expression] if expression else [])]
            page = self._query(["vector", *FIELDS], " and ".join(terms), limit=CHUNK)
            if page:
                rows = sorted(page, key=itemgetter("id"))
                yield rows
                last = rows[-1]["id"]
            if len(page) < CHUNK:
                return

    def _open(self) -> None:
        if self._closed:
            raise StoreError("this store is closed")

    def _call(self, work: Callable[[], Result]) -> Result:
        """Run `work`, repeated while a restarted server loads its collections: all calls are idempotent."""
        self._open()
        deadline = time.monotonic() + self._recover
        while True:
            try:
                return work()
            except MilvusException as error:
                self._open()
                if not recovering(error) or time.monotonic() > deadline:
                    raise StoreError(f"the cluster failed: {one_line(error)}") from error
            time.sleep(0.5)
