"""Milvus store on a real server: its own faults, kills and restarts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from sqlalchemy import select
from tests.service.http.running import start
from tests.service.http.test_scheduling import until

from uninote.errors import IncompleteError, StoreError
from uninote.items import Note
from uninote.service.background.milvus_collections import opener, rebuild
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import NoteVector
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes import forget, outbox
from uninote.service.domain.notes.ingest import ingest
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.settings import ClusterSettings
from uninote.store import milvus as module
from uninote.store.embedded import EmbeddedServer
from uninote.store.factory import open_milvus as open_by_address
from uninote.store.milvus import MilvusStore
from uninote.store.milvus_wire import expression_of, parts_of
from uninote.store.protocol import Filter, Record

STUB = Path(__file__).parents[1] / "service" / "http" / "stub_server.py"


def test_hnsw_finds_the_nearest(open_milvus: Callable[..., MilvusStore]) -> None:
    random = np.random.default_rng(1)
    centres = random.normal(size=(30, 32))
    points = centres[random.integers(30, size=2000)] + 0.5 * random.normal(size=(2000, 32))
    vectors = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    store = open_milvus(32, index="hnsw")
    kinds = ["rare" if row % 10 == 0 else "note" for row in range(2000)]
    store.upsert(
        Record(f"{row:04}", vector, kinds[row]) for row, vector in enumerate(vectors)
    ).raise_rejected()
    store.flush()
    rare = np.arange(2000) % 10 == 0
    for filter, selected in ((Filter(), rare | True), (Filter(kinds=("rare",)), rare)):
        scores = np.where(selected, vectors[:20] @ vectors.T, -2)
        found = store.search(vectors[:20], 10, filter)
        overlap = [
            len({int(hit.id) for hit in hits} & set(np.argsort(-row)[:10]))
            for hits, row in zip(found, scores, strict=True)
        ]
        assert np.mean(overlap) / 10 >= 0.97
    assert len(store.search(vectors[:1], 1500)[0]) == 1500
    assert len(store.search(vectors[:1], 16_384)[0]) == 2000


def test_a_filter_that_few_pass_is_answered_in_full(open_milvus: Callable[..., MilvusStore]) -> None:
    """Search fresh rows, of which the cluster's index visits a small part before it filters."""
    random = np.random.default_rng(2)
    vectors = random.normal(size=(20_000, 64))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    number = np.arange(20_000)
    kinds = np.where(number % 333 == 0, "rare", np.where(number % 10 == 1, "some", "note"))
    store = open_milvus(64, index="hnsw")
    store.upsert(Record(f"{row:05}", *pair) for row, pair in enumerate(zip(vectors, kinds, strict=True)))
    queries = vectors[:3] + 0.1
    scores = queries / np.linalg.norm(queries, axis=1, keepdims=True) @ vectors.T
    for kind in ("rare", "some"):
        rows = np.flatnonzero(kinds == kind)
        for hits in store.search(queries, 3000, Filter(kinds=(kind,))):
            assert [hit.id for hit in hits] != sorted(hit.id for hit in hits)
            assert {hit.id for hit in hits} == {f"{one:05}" for one in rows}
        for row, hits in enumerate(store.within(queries, 0.1, Filter(kinds=(kind,)))):
            assert {hit.id for hit in hits} == {f"{one:05}" for one in rows[scores[row, rows] >= 0.1]}
    rare = np.flatnonzero(kinds == "rare")
    for row, hits in enumerate(store.search(queries, 5, Filter(kinds=("rare",)))):
        assert [hit.id for hit in hits] == [f"{one:05}" for one in rare[np.argsort(-scores[row, rare])[:5]]]
    assert len(store.search(queries[:1], 10_000)[0]) == 10_000
    store._exact_rows = 1000
    with pytest.raises(IncompleteError, match=r"3000 of the 20000 records .* index 'exact'"):
        store.search(queries, 3000)
    with pytest.raises(IncompleteError, match="filter to 1000 at most"):
        store.within(queries, 0.1)
    assert len(store.search(queries[:1], 61, Filter(kinds=("rare",)))[0]) == len(rare)


def test_a_killed_server_comes_back_with_everything(
    milvus: Any, open_milvus: Callable[..., MilvusStore]
) -> None:
    store = open_milvus(8)
    rows = np.eye(8)
    store.upsert(Record(f"flushed{row}", rows[row], "note") for row in range(4)).raise_rejected()
    store.flush()
    store.upsert(Record(f"fresh{row}", rows[row], "note") for row in range(4)).raise_rejected()
    store.delete(["flushed0"])
    milvus.kill()
    milvus.start()
    names = {hit.id for hit in store.search(rows[:1], 100)[0]}
    assert names == {f"flushed{row}" for row in range(1, 4)} | {f"fresh{row}" for row in range(4)}
    store.upsert([Record("after", rows[5], "note")]).raise_rejected()
    assert store.search(rows[5:6], 1)[0][0].id == "after"
    assert store.count() == 8


def test_the_outbox_brings_the_cluster_to_the_state_of_the_database(
    milvus: Any, server: EmbeddedServer, open_milvus: Callable[..., MilvusStore]
) -> None:
    """Create, change and forget notes while the cluster is killed; database and cluster end up equal."""
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE feeding")
    store, rows = open_milvus(8), np.eye(8)
    sink = outbox.store_sink({"m1": store})
    with Database(server.address.replace("/postgres?", "/feeding?")) as database:
        matcher = Matcher()
        database.transaction(lambda s: versions.ensure(s, "m1", 8, "ops"))
        outbox.rebuild(database)
        for step in range(4):
            batch = [
                Incoming(Note(f"n{row}", f"{step}", category=f"c{step}"), {"m1": rows[(row + step) % 8]})
                for row in range(step, step + 5)
            ]
            ingest(database, matcher, batch, "app")
            database.transaction(lambda s, n=f"n{step + 2}": forget.forget(s, [n], "ops"))
            if step == 2:
                milvus.kill()
                milvus.start()
            outbox.send(database, sink, limit=4)
        while outbox.send(database, sink):
            pass
        stored = database.transaction(
            lambda s: dict(s.execute(select(NoteVector.note_id, NoteVector.category)).all())
        )
        assert len(stored) >= 2
        assert {hit.id: hit.category for hit in store.within(rows[:1], -1)[0]} == stored
        for note_id, vector in database.transaction(
            lambda s: s.execute(select(NoteVector.note_id, NoteVector.vector)).all()
        ):
            assert note_id in {hit.id for hit in store.within([vector], 0.99)[0]}
        store.delete(list(stored))  # a cluster that was emptied
        assert outbox.rebuild(database) == len(stored)
        while outbox.send(database, sink):
            pass
        assert store.count() == len(stored)


def test_a_collection_keeps_its_shape(milvus: Any, open_milvus: Callable[..., MilvusStore]) -> None:
    open_milvus(3)
    with pytest.raises(StoreError, match=r"dimension 3, not 4"):
        MilvusStore(milvus.address, 4, collection="c3_exact", index="exact")
    with pytest.raises(StoreError, match=r"index exact, not hnsw"):
        MilvusStore(milvus.address, 3, collection="c3_exact")
    with pytest.raises(StoreError, match="collection name"):
        MilvusStore(milvus.address, 3, collection="Bad name")


def test_limits_are_named(open_milvus: Callable[..., MilvusStore], monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_milvus(3)
    with pytest.raises(StoreError, match="16384 results, not 20000"):
        store.search(np.eye(1, 3), 20_000)
    report = store.upsert(
        [Record("big", [1, 0, 0], "note", payload={"x": "y" * 70_000}), Record("a", [1, 0, 0], "n")]
    )
    assert (report.written, report.rejected[0][0]) == (1, "big")
    assert "65535 bytes" in report.rejected[0][1]
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    store.upsert([Record("b", [1, 0, 0], "n")])
    assert {hit.id for hit in store.within(np.eye(1, 3), 0.5)[0]} == {"a", "b"}
    store._exact_rows = 1
    with pytest.raises(IncompleteError, match="less than 2 reach"):
        store.within(np.eye(1, 3), 0.5)


def test_names_with_quotes_and_slashes_are_filtered_as_they_are(
    open_milvus: Callable[..., MilvusStore],
) -> None:
    store = open_milvus(3)
    names = ['a"b', "a'b", "a\\", "a\nb", "日本 𝄞", '"] or id != "', "%", "\\n"]
    store.upsert(Record(f"{row}", [1, 0, 0], name, name) for row, name in enumerate(names)).raise_rejected()
    for row, name in enumerate(names):
        filter = Filter(kinds=(name,), categories=(name,))
        assert [hit.id for hit in store.search(np.eye(1, 3), 10, filter)[0]] == [f"{row}"], name
        assert store.count(filter) == 1


def test_ids_with_quotes_are_ids_and_no_expressions(open_milvus: Callable[..., MilvusStore]) -> None:
    store = open_milvus(3)
    ids = ['a"b', "a'b", "a\\", "a\nb", "日本 𝄞", "\\n", "'", "x"]
    vector = np.array([0.3, 0.1, 0.7])
    store.upsert(Record(id, vector, "note") for id in ids).raise_rejected()
    assert [(hit.id, hit.score) for hit in store.search([vector], 10)[0]] == [(id, 1.0) for id in sorted(ids)]
    assert store.delete(["x'] or id not in ['"]) == 0
    assert store.count() == len(ids)
    for left, id in enumerate(sorted(ids), 1):
        assert (store.delete([id]), store.count()) == (1, len(ids) - left), id


def test_rows_that_were_not_read_are_missed(
    open_milvus: Callable[..., MilvusStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_milvus(3, index="hnsw")
    store.upsert(Record(f"{row}", [1, 0, row], "note") for row in range(9)).raise_rejected()
    assert len(store.within(np.eye(1, 3), -1)[0]) == 9
    pages = store._pages

    def cut(expression: str) -> Any:
        yield from (rows[:-1] for rows in pages(expression))

    monkeypatch.setattr(store, "_pages", cut)
    with pytest.raises(IncompleteError, match="8 of the 9 records"):
        store.within(np.eye(1, 3), -1)

    def deleting(expression: str) -> Any:
        store.delete(["3"])
        yield from pages(expression)

    monkeypatch.setattr(store, "_pages", deleting)
    assert len(store.within(np.eye(1, 3), -1)[0]) == 8


@pytest.mark.parametrize("consistency", ["session", "bounded"])
def test_weaker_consistency(milvus: Any, open_milvus: Callable[..., MilvusStore], consistency: Any) -> None:
    open_milvus(3).upsert([Record("old", [0, 1, 0], "note")])
    store = MilvusStore(milvus.address, 3, collection="c3_exact", index="exact", consistency=consistency)
    store.upsert([Record("own", [1, 0, 0], "note")])
    if consistency == "session":  # a client sees what it wrote itself
        assert store.search(np.eye(1, 3), 1)[0][0].id == "own"
    assert len(store.search(np.eye(1, 3), 5)[0]) <= 2
    store.close()


def test_addresses() -> None:
    assert parts_of("milvus://host") == ("http://host:19530", "", "")
    assert parts_of("milvus+tls://us%40er:p%3Aw@host:1/db") == ("https://host:1", "us@er:p:w", "db")
    assert parts_of("milvus://[::1]:7") == ("http://[::1]:7", "", "")
    for bad in ("milvus://", "http://host", "milvus://host:x", "milvus://user:secret@"):
        with pytest.raises(StoreError, match="not a Milvus address") as error:
            parts_of(bad)
        assert "secret" not in str(error.value)


def test_expressions() -> None:
    moment = datetime(1970, 1, 2, tzinfo=UTC)
    assert expression_of(Filter()) == ""
    assert expression_of(Filter(kinds=())) is None
    assert expression_of(Filter(kinds=("\0",))) is None
    assert expression_of(Filter(kinds=("a", 'b"'), since=moment)) == (
        f'kind in ["a", "b\\""] and time > {-(2**62)} and time >= 86400000000'
    )


def test_an_unreachable_server_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALL_SECONDS", 1.0)
    monkeypatch.setattr(module, "RECOVER_SECONDS", 1.0)
    with pytest.raises(StoreError, match="cannot be reached") as error:
        open_by_address("milvus://user:secret@127.0.0.1:1", 3)
    assert "secret" not in str(error.value)


def test_a_service_fills_and_searches_the_cluster(
    milvus: Any, server: EmbeddedServer, tmp_path: Path
) -> None:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE serving")
    address = server.address.replace("/postgres?", "/serving?")
    settings = ClusterSettings(address=milvus.address, index="exact", consistency="strong")
    folder = tmp_path / "served"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "uninote.json").write_text('{"version": "stub"}')
    options = json.dumps({"cluster": settings.model_dump()})
    running = start([sys.executable, str(STUB), str(folder), address, options], folder, folder / "log")
    try:
        with running.client() as client:

            def filled() -> bool:
                state = client.get("/health/ready").raise_for_status().json()["cluster"]
                return bool(state["filled"] and not state["lag_rows"])

            def by_cluster() -> float:
                page = client.get("/metrics").text.splitlines()
                name = 'uninote_searches_total{by="cluster"}'
                return sum(float(line.split()[-1]) for line in page if line.startswith(name))

            def found(**body: Any) -> list[tuple[str, float]]:
                query = {"query": {"note_id": "n4"}, "k": 20} | body
                hits = client.post("/v1/search", json=query).raise_for_status().json()["hits"]
                return [(hit["note_id"], hit["score"]) for hit in hits]

            def by_the_cluster(**body: Any) -> list[tuple[str, float]]:
                before = by_cluster()
                while True:
                    hits = found(**body)
                    if by_cluster() > before:
                        return hits

            notes = [
                {"id": f"n{row}", "title": f"rain {row}", "category": f"c{row % 2}"} for row in range(10)
            ]
            client.post("/v1/notes/batch", json={"notes": notes}).raise_for_status()
            from_database = found()
            assert from_database[0][0] == "n4"
            until(filled, 120)
            assert by_the_cluster() == from_database
            even = [hit for hit in from_database if int(hit[0][1:]) % 2 == 0]
            assert by_the_cluster(filter={"categories": ["c0"]}) == even
            assert by_the_cluster(filter={"categories": ["c0"]}, k=2) == even[:2]
            assert found(min_score=even[2][1], filter={"categories": ["c0"]}) == even[:3]
            client.delete("/v1/notes/n3").raise_for_status()
            until(filled, 120)
            left = [hit for hit in from_database if hit[0] != "n3"]
            assert by_the_cluster() == left
            with Database(address, connections=2) as database:
                assert rebuild(database, opener(settings)) == 9
            until(filled, 120)
            assert by_the_cluster() == left
        assert running.stop() == 0
    finally:
        running.process.kill()
