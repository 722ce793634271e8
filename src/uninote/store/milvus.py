"""Milvus store, for more vectors than one machine holds; filled from the outbox of the database.

Differences from PostgreSQL:

* A search sees a write only after waiting for it. `consistency` sets the writes that it waits for: `strong`
  all, which costs every search up to the server's time tick (0.2 s); `session` those of this client;
  `bounded` those older than some seconds.
* An upsert is atomic per request, and a batch of more than `CHUNK` rows is several requests.
* A search or range search returns at most 16,384 rows. StoreError is raised if more are requested or found.
* With `index="hnsw"` the range search uses the index too, so `within` may miss records in parts of the index
  that it did not visit. `index="exact"` compares with every vector, in both.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from threading import Lock
from typing import Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import ArrayLike
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from uninote.errors import StoreError
from uninote.store.protocol import EVERYTHING, Filter, Hit, Record, UpsertReport, ranked
from uninote.store.validate import (
    CheckedRecord,
    check_k,
    check_records,
    check_threshold,
    cosine,
    storable,
    unit_queries,
)

SCHEMA_VERSION = 1
CHUNK = 1000  # rows of one request: 4 MB at 1024 dimensions, below the server's 64 MB at any it takes
MAX_ROWS = 16_384  # the server's limit for the rows of one answer
QUERIES = 64  # queries of one request
MAX_PAYLOAD = 65_535  # bytes, the longest text column
NO_TIME = -(2**62)
CALL_SECONDS = 30.0
RECOVER_SECONDS = 90.0  # a restarted server answers before it has loaded its collections
SCHEMES = {"milvus": "http", "milvus+tls": "https"}

Consistency = Literal["strong", "session", "bounded"]
Result = TypeVar("Result")


class MilvusStore:
    """`Store` over one Milvus collection.

    address: `milvus://[user:password@]host:port[/database]`, or `milvus+tls://` for an encrypted connection.
    index: `hnsw` is approximate, `exact` compares with every vector; chosen when the collection is made.
    call_seconds: longest single request. recover_seconds: how long requests are repeated while the server
    is away or loads its collections.

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
    ) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", collection):
            raise StoreError(f"collection name {collection!r}: use a-z, then a-z, 0-9, _ (40 at most)")
        self.dim = dim
        self._name = collection
        self._consistency = consistency.capitalize()
        self._index = index
        self._seconds = CALL_SECONDS if call_seconds is None else call_seconds
        self._recover = RECOVER_SECONDS if recover_seconds is None else recover_seconds
        self._closed = False
        self._lock = Lock()
        uri, token, database = _parts(address)
        try:
            self._client = MilvusClient(uri=uri, token=token, db_name=database, timeout=self._seconds)
        except MilvusException as error:
            raise StoreError(f"the cluster cannot be reached: {_one_line(error)}") from None
        try:
            self._call(self._prepare)
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
            rows = [_row(record) for record in good[start : start + CHUNK]]
            self._call(partial(self._client.upsert, self._name, rows, timeout=self._seconds))
        self._open()
        return UpsertReport(written=len(good), rejected=rejected)

    def delete(self, ids: Iterable[str]) -> int:
        wanted = sorted(filter(storable, set(ids)))
        found = 0
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            known = self._call(partial(self._get, chunk))
            if known:
                self._call(partial(self._client.delete, self._name, ids=chunk, timeout=self._seconds))
            found += len(known)
        self._open()
        return found

    def search(self, vectors: ArrayLike, k: int, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_k(k)
        if k > MAX_ROWS:
            raise StoreError(f"the cluster returns at most {MAX_ROWS} results, not {k}; reduce k")
        queries = unit_queries(vectors, self.dim)
        expression = _expression(filter)
        if expression is None:
            self._open()
            return [[] for _ in queries]
        results = self._search(queries, expression, k, {"ef": max(200, 4 * k)})
        short = [row for row, hits in enumerate(results) if len(hits) < k]
        if short and self._index == "hnsw":
            total = min(k, self.count(filter))
            short = [row for row in short if len(results[row]) < total]
            again = self._search(queries[short], expression, k, {"ef": 2 * MAX_ROWS})
            for row, hits in zip(short, again, strict=True):
                results[row] = hits
        return results

    def within(self, vectors: ArrayLike, threshold: float, filter: Filter = EVERYTHING) -> list[list[Hit]]:
        check_threshold(threshold)
        queries = unit_queries(vectors, self.dim)
        expression = _expression(filter)
        if expression is None or threshold > 1:
            self._open()
            return [[] for _ in queries]
        # The radius is slightly larger, since the comparison below is with rounded scores.
        reach = {"radius": max(-2.0, float(threshold) - 1e-5), "range_filter": 2.0}
        results = self._search(queries, expression, MAX_ROWS, reach)
        if any(len(hits) == MAX_ROWS for hits in results):
            raise StoreError(
                f"{MAX_ROWS} records or more reach the threshold, the most that the cluster returns: "
                "raise it, or filter"
            )
        return [[hit for hit in hits if hit.score >= threshold] for hits in results]

    def count(self, filter: Filter = EVERYTHING) -> int:
        expression = _expression(filter)
        if expression is None:
            self._open()
            return 0
        rows = self._call(
            lambda: self._client.query(
                self._name,
                filter=expression,
                output_fields=["count(*)"],
                consistency_level=self._consistency,
                timeout=self._seconds,
            )
        )
        return int(rows[0]["count(*)"])

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

    def _prepare(self) -> None:
        wanted = {"schema": SCHEMA_VERSION, "dimension": self.dim, "index": self._index}
        if not self._client.has_collection(self._name, timeout=self._seconds):
            schema = MilvusClient.create_schema(
                auto_id=False, enable_dynamic_field=False, description=json.dumps(wanted)
            )
            schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=4 * 512)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
            for name in ("kind", "category", "model_version"):
                schema.add_field(name, DataType.VARCHAR, max_length=4 * 256)
            schema.add_field("time", DataType.INT64)
            schema.add_field("payload", DataType.VARCHAR, max_length=MAX_PAYLOAD)
            index = MilvusClient.prepare_index_params()
            if self._index == "hnsw":
                build = {"M": 16, "efConstruction": 200}
                index.add_index("vector", index_type="HNSW", metric_type="IP", params=build)
            else:
                index.add_index("vector", index_type="FLAT", metric_type="IP", params={})
            self._client.create_collection(
                self._name,
                schema=schema,
                index_params=index,
                consistency_level="Strong",
                timeout=self._seconds,
            )
        made = self._client.describe_collection(self._name, timeout=self._seconds)["description"]
        try:
            stored = dict(json.loads(made))
        except (TypeError, ValueError):
            raise StoreError(f"collection {self._name!r} is not of this program; choose another") from None
        for name, asked in wanted.items():
            if stored.get(name) != asked:
                raise StoreError(
                    f"collection {self._name!r} was made with {name} {stored.get(name)}, not {asked}; "
                    f"ask for {stored.get(name)}, or use another database or collection"
                )
        self._client.load_collection(self._name, timeout=self._seconds)

    def _get(self, ids: Sequence[str]) -> list[Any]:
        rows: list[Any] = self._client.query(
            self._name, ids=list(ids), output_fields=["id"], consistency_level="Strong", timeout=self._seconds
        )
        return rows

    def _search(
        self, queries: np.ndarray[Any, Any], expression: str, limit: int, parameters: dict[str, Any]
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
                output_fields=["kind", "category", "payload"],
                consistency_level=self._consistency,
                timeout=self._seconds,
            )
            found = self._call(ask)
            results += [ranked(map(_hit, hits)) for hits in found]
        return results

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
                if not _recovering(error) or time.monotonic() > deadline:
                    raise StoreError(f"the cluster failed: {_one_line(error)}") from error
            time.sleep(0.5)


def _parts(address: str) -> tuple[str, str, str]:
    """Return URI, token and database for the client. Raises StoreError without repeating the address."""
    try:
        given = urlsplit(address)
        scheme, host, port = SCHEMES[given.scheme], given.hostname, given.port or 19530
    except (KeyError, ValueError):
        host = None
    if not host:
        raise StoreError("store.address is not a Milvus address (milvus://user:password@host:19530)")
    token = f"{unquote(given.username)}:{unquote(given.password or '')}" if given.username else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}", token, given.path.strip("/")


def _row(record: CheckedRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "vector": record.vector.tolist(),
        "kind": record.kind,
        "category": record.category,
        "model_version": record.model_version,
        "time": NO_TIME if record.time is None else _microseconds(record.time),
        "payload": record.payload,
    }


def _hit(found: Any) -> Hit:
    entity = found["entity"]
    score = cosine(float(found["distance"]))
    return Hit(found["id"], score, entity["kind"], entity["category"], json.loads(entity["payload"]))


def _microseconds(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _expression(filter: Filter) -> str | None:
    """Return the filter as a Milvus expression: `""` for everything, None if it selects nothing."""
    terms = []
    for column, allowed in (
        ("kind", filter.kinds),
        ("category", filter.categories),
        ("model_version", filter.model_versions),
    ):
        if allowed is not None:
            names = [json.dumps(name, ensure_ascii=False) for name in allowed if storable(name)]
            if not names:
                return None
            terms.append(f"{column} in [{', '.join(names)}]")
    if filter.since is not None or filter.until is not None:
        terms.append(f"time > {NO_TIME}")
    if filter.since is not None:
        terms.append(f"time >= {_microseconds(filter.since)}")
    if filter.until is not None:
        terms.append(f"time < {_microseconds(filter.until)}")
    return " and ".join(terms)


_PASSING = re.compile(
    r"not (fully )?loaded|loading|no available|not ready|not healthy|unavailable|node not|channel|recover|"
    r"fail to get shard|connect|Deadline|offline",
    re.IGNORECASE,
)


def _recovering(error: MilvusException) -> bool:
    return bool(_PASSING.search(str(error)))


def _one_line(error: MilvusException) -> str:
    return " ".join(str(error).split())[:500]
