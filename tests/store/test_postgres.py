"""PostgreSQL store: its own faults, beyond the contract of all stores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from uninote.errors import StoreError
from uninote.store.embedded import EmbeddedServer
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import EVERYTHING, Filter, Record

RARE = Filter(kinds=("rare",))


def clustered(rows: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Draw unit rows around 30 centres, clustered as embeddings are."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(30, dim))
    points = centres[random.integers(30, size=rows)] + 0.5 * random.normal(size=(rows, dim))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def fill(store: PostgresStore, vectors: NDArray[np.float32]) -> None:
    kinds = ["rare" if number % 10 == 0 else "note" for number in range(len(vectors))]
    store.upsert(
        [Record(f"{i}", vector, kind) for i, (vector, kind) in enumerate(zip(vectors, kinds, strict=True))]
    )


def indexes(server: EmbeddedServer, collection: str) -> int:
    with psycopg.connect(server.address) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename = %s AND indexdef LIKE '%%hnsw%%'",
            [f"vectors_{collection}"],
        ).fetchone()
    assert found
    return int(found[0])


def test_without_room_for_an_index_a_store_opens_and_finds_everything(
    open_postgres: Callable[..., PostgresStore],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: Any) -> None:
        raise psycopg.errors.DiskFull("no room")

    monkeypatch.setattr("uninote.store.postgres.build", full)
    first = open_postgres(2, exact_below=10)
    first.upsert([Record(f"r{number}", [1, number], "note") for number in range(50)])
    with pytest.raises(StoreError, match="the disk of the database is full: no room"):
        first.flush()
    again = open_postgres(2, exact_below=10, collection=first._table.name)
    assert "searches compare every row" in caplog.text
    assert [hit.id for hit in again.search([[1, 7]], 3)[0]] == ["r7", "r8", "r6"]


def test_hnsw_finds_what_brute_force_finds(
    open_postgres: Callable[..., PostgresStore], server: EmbeddedServer
) -> None:
    vectors, queries = clustered(3000, 32, 1), clustered(40, 32, 2)
    store = open_postgres(32, collection="recall", exact_below=100)
    fill(store, vectors)
    assert indexes(server, "recall") == 0
    store.flush()
    assert indexes(server, "recall") == 1
    with psycopg.connect(server.address) as connection:
        connection.execute("SET enable_sort = off")
        plan = connection.execute(
            "EXPLAIN SELECT id FROM uninote.vectors_recall ORDER BY vector <#> %s::vector LIMIT 10",
            [str(queries[0].tolist())],
        ).fetchall()
    assert "vectors_recall_hnsw" in str(plan)

    truth = queries @ vectors.T
    for filter, step in ((EVERYTHING, 1), (RARE, 10)):
        found = store.search(queries, 10, filter)
        best = np.argsort(-truth[:, ::step], axis=1)[:, :10] * step
        overlap = [
            len({hit.id for hit in hits} & set(map(str, row))) for hits, row in zip(found, best, strict=True)
        ]
        assert np.mean(overlap) / 10 >= 0.97
        for query, hits in enumerate(found):
            assert [hit.score for hit in hits] == pytest.approx(
                [truth[query, int(hit.id)] for hit in hits], abs=1e-5
            )


def test_more_results_than_the_index_can_give(open_postgres: Callable[..., PostgresStore]) -> None:
    store = open_postgres(8, exact_below=10)
    fill(store, clustered(1500, 8, 1))
    store.flush()
    (hits,) = store.search(clustered(1, 8, 2), 1400)
    assert len({hit.id for hit in hits}) == 1400


@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_half_precision_scores_are_close(open_postgres: Callable[..., PostgresStore], index: str) -> None:
    vectors, queries = clustered(200, 64, 1), clustered(20, 64, 2)
    store = open_postgres(64, index=index, precision="half", exact_below=0)
    fill(store, vectors)
    exact = queries @ vectors.T
    for query, hits in enumerate(store.search(queries, 50)):
        assert [hit.score for hit in hits] == pytest.approx(
            [exact[query, int(hit.id)] for hit in hits], abs=1e-3
        )


@pytest.mark.parametrize("dim", [3, 64, 384, 1024, 2048])
@pytest.mark.parametrize("index", ["exact", "hnsw"])
def test_equal_vectors_score_one_in_half_precision(
    open_postgres: Callable[..., PostgresStore], index: str, dim: int
) -> None:
    vectors = clustered(60, dim, 3)
    vectors[:20] = np.abs(vectors[:20])
    vectors[0] = 1
    store = open_postgres(dim, index=index, precision="half", exact_below=0)
    fill(store, vectors)
    found = [hits[0] for hits in store.search(vectors, 1)]
    assert {hit.score for hit in found} == {1.0}
    assert [int(hits[0].id) for hits in store.within(vectors, 1.0)] == [int(hit.id) for hit in found]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"dim": 8}, ["dimension 4", "not 8"]),
        ({"precision": "half"}, ["precision single", "not half"]),
    ],
)
def test_a_collection_keeps_its_shape(
    open_postgres: Callable[..., PostgresStore], options: dict[str, Any], named: list[str]
) -> None:
    open_postgres(4, collection="shape").upsert([Record("a", [1, 0, 0, 0], "note")])
    with pytest.raises(StoreError) as error:
        open_postgres(**({"dim": 4, "collection": "shape"} | options))
    assert all(part in str(error.value) for part in named)
    assert open_postgres(4, collection="shape").count() == 1


def test_collections_share_nothing(open_postgres: Callable[..., PostgresStore]) -> None:
    one, other = open_postgres(2), open_postgres(3)
    one.upsert([Record("a", [1, 0], "note")])
    assert (one.count(), other.count()) == (1, 0)


def test_many_openers_at_once(server: EmbeddedServer) -> None:
    def open_one(number: int) -> int:
        store = PostgresStore(server.address, 4, collection="crowd", connections=1, exact_below=0)
        try:
            return store.upsert([Record(f"{number}", [1, 0, 0, 0], "note")]).written
        finally:
            store.close()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(open_one, range(6))) == [1] * 6


def test_replaying_a_load_rewrites_no_row(
    open_postgres: Callable[..., PostgresStore], server: EmbeddedServer
) -> None:
    store = open_postgres(4, collection="replay")
    fill(store, clustered(50, 4, 1))

    def versions() -> list[tuple[Any, ...]]:
        with psycopg.connect(server.address) as connection:
            return connection.execute(
                "SELECT id, xmin::text FROM uninote.vectors_replay ORDER BY id"
            ).fetchall()

    before = versions()
    fill(store, clustered(50, 4, 1))
    assert versions() == before


def test_a_lost_connection_is_replaced(
    open_postgres: Callable[..., PostgresStore], server: EmbeddedServer
) -> None:
    store = open_postgres(2)
    store.upsert([Record("a", [1, 0], "note")])
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    assert store.count() == 1


def test_dimensions_that_no_index_holds(open_postgres: Callable[..., PostgresStore]) -> None:
    with pytest.raises(StoreError, match=r"2000.*4096.*exact"):
        open_postgres(4096)
    store = open_postgres(4096, index="exact")
    store.upsert([Record("a", np.eye(1, 4096)[0], "note")])
    assert store.search(np.eye(1, 4096), 1)[0][0].score == 1.0
    assert open_postgres(4000, precision="half", exact_below=0).count() == 0


@pytest.mark.parametrize("name", ["", "Items", "a b", "x;drop table y", "1a", "a" * 41])
def test_bad_collection_names(open_postgres: Callable[..., PostgresStore], name: str) -> None:
    with pytest.raises(StoreError, match="collection name"):
        open_postgres(4, collection=name)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://user:secret@127.0.0.1:1/none", "cannot be reached"),
        ("not an address secret", "not a PostgreSQL address"),
    ],
)
def test_an_unreachable_server_is_an_error(address: str, message: str) -> None:
    with pytest.raises(StoreError, match=message) as error:
        PostgresStore(address, 4)
    assert "secret" not in str(error.value)
