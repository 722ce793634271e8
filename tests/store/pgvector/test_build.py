"""Index builds with too little memory, and the memory that they ask for."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from tests.store.cramped import cramped_server

from uninote.store.embedded import EmbeddedServer
from uninote.store.pgvector import build as module
from uninote.store.pgvector.build import build, memory_mb
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record


def test_an_index_is_built_serially_where_shared_memory_is_small(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    with cramped_server(tmp_path) as server:
        store = PostgresStore(server.address, 8, exact_below=100)
        with closing(store), caplog.at_level(logging.WARNING):
            store.upsert(Record(str(row), vector, "note") for row, vector in enumerate(vectors))
            with psycopg.connect(server.address) as connection:
                connection.execute("ALTER TABLE uninote.vectors_items SET (parallel_workers = 2)")
            store.flush()
            with psycopg.connect(server.address) as connection:
                made = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"
                found = connection.execute(made, ["uninote.vectors_items_hnsw"]).fetchall()
            assert found == [(True,)]
            assert store.search(vectors[:1], 1)[0][0].id == "0"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "the index is built with less memory, which takes longer"
    ]
    assert "shared memory" in caplog.text


def test_a_graph_gets_the_memory_that_it_takes_and_a_quarter_more() -> None:
    # 100,000 vectors of 2,048 bytes, 400 bytes of overhead, 16 links of 32 bytes: 282 MiB.
    assert memory_mb(100_000, 2048, local=False) == 282 + 70
    assert memory_mb(10, 2048, local=False) == 64
    assert memory_mb(100_000_000, 2048, local=False) == 4096


def test_a_local_server_gets_half_of_the_free_memory_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 400 * 2**20)
    assert memory_mb(100_000, 2048, local=True) == 200
    assert memory_mb(100_000, 2048, local=False) == 352


def test_other_errors_are_not_tried_again_and_settings_are_reset(server: EmbeddedServer) -> None:
    calls: list[Any] = []
    with psycopg.connect(server.address, autocommit=True) as connection:
        before = connection.execute("SHOW maintenance_work_mem").fetchone()

        def create() -> None:
            calls.append(connection.execute("SHOW maintenance_work_mem").fetchone())
            connection.execute("CREATE INDEX ON nothing (x)")

        with pytest.raises(psycopg.errors.UndefinedTable):
            build(connection, create, 96)
        assert calls == [("96MB",)]
        assert connection.execute("SHOW maintenance_work_mem").fetchone() == before


def test_the_least_memory_comes_last(server: EmbeddedServer) -> None:
    calls: list[Any] = []
    with psycopg.connect(server.address, autocommit=True) as connection:

        def create() -> None:
            names = ("maintenance_work_mem", "max_parallel_maintenance_workers")
            shown = connection.execute("SELECT current_setting(%s), current_setting(%s)", names)
            calls.append(shown.fetchone())
            connection.execute("DO $$ BEGIN RAISE out_of_memory; END $$")

        with pytest.raises(psycopg.errors.OutOfMemory):
            build(connection, create, 96)
    assert calls == [("96MB", "2"), ("96MB", "0"), ("64MB", "0")]
