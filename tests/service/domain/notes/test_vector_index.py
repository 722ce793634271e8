"""Index builds on a server whose shared memory is too small for parallel workers."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import psycopg
import pytest
from tests.service.conftest import MakeNote, World
from tests.store.cramped import cramped_server

from uninote.errors import StoreError
from uninote.service.db.engine import Database
from uninote.service.domain.admin.backup import backup, counts, restore
from uninote.service.domain.gallery import versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes.vector_index import build_index, plans

MODEL = 8


def test_an_index_is_built_backed_up_and_restored_there(
    note: MakeNote, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, MODEL))
    with cramped_server(tmp_path / "server") as server:
        with Database(server.address) as database:
            model = database.transaction(lambda s: versions.ensure(s, "m1", MODEL, "ops"))
            World(database, Matcher()).ingest(*(note(f"n{row}", one) for row, one in enumerate(vectors)))
            with psycopg.connect(server.address) as connection:
                connection.execute("ALTER TABLE service.vectors SET (parallel_workers = 2)")
            with caplog.at_level(logging.WARNING):
                plan = build_index(database, model)
            assert "the index is built with less memory" in caplog.text
            assert "shared memory" in caplog.text
            assert database.transaction(lambda s: plans(s, model)) == [plan]
            backup(database, tmp_path / "dump")
            before = counts(database)
        # A restore builds the index again, with the memory that the server is set to.
        with psycopg.connect(server.address, autocommit=True) as connection:
            connection.execute("CREATE DATABASE restored")
            connection.execute("ALTER DATABASE restored SET maintenance_work_mem = '128MB'")
        address = server.address.replace("/postgres?", "/restored?")
        restore(address, tmp_path / "dump")
        with Database(address) as database:
            assert counts(database) == before
            assert database.transaction(lambda s: plans(s, model)) == [plan]


def test_an_error_of_a_build_is_a_sentence(world: World) -> None:
    model = world.database.transaction(versions.active)
    with psycopg.connect(world.database.address, autocommit=True) as connection:
        connection.execute("ALTER TABLE service.vectors RENAME TO other")
    with pytest.raises(StoreError, match=r"the database failed: relation .* does not exist; its tables"):
        build_index(world.database, model)
