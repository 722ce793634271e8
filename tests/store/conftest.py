"""Fixtures of stores: one embedded server for all tests of this folder, with a collection per store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from tests.store.milvus_server import MilvusProcess

from uninote.store.embedded import EmbeddedServer
from uninote.store.memory import MemoryStore
from uninote.store.milvus import MilvusStore
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Store

_numbers = count()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with a stopped database, at a long and unusual path, after an interrupted creation."""
    folder = tmp_path_factory.mktemp("data") / 'it\'s a, "deep" $HOME `ünïcode` folder' / ("d" * 100)
    (folder / "postgres/cluster.new/base").mkdir(parents=True)
    EmbeddedServer(folder / "postgres").close()
    return folder


@pytest.fixture
def open_postgres(server: EmbeddedServer) -> Iterator[Callable[..., PostgresStore]]:
    """Opens a store, in a fresh collection unless one is named; all are closed after the test."""
    with ExitStack() as stack:

        def open_one(dim: int, **options: Any) -> PostgresStore:
            options = {"collection": f"c{next(_numbers)}", "connections": 2} | options
            return stack.enter_context(closing(PostgresStore(server.address, dim, **options)))

        yield open_one


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real Milvus server."""
    # Ports are chosen before they are listened on: of two workers one goes first.
    with FileLock(Path(tempfile.gettempdir()) / "uninote-tests-milvus.lock"):
        server = MilvusProcess(tmp_path_factory.mktemp("milvus"))
    yield server
    server.kill()


@pytest.fixture
def open_milvus(milvus: Any) -> Iterator[Callable[..., MilvusStore]]:
    """Opens a store that is empty; collections are used again, because making one takes seconds."""
    with ExitStack() as stack:

        def open_one(dim: int, index: Any = "exact", **options: Any) -> MilvusStore:
            opened = MilvusStore(milvus.address, dim, index=index, collection=f"c{dim}_{index}", **options)
            stack.enter_context(closing(opened))
            opened._client.delete(opened._name, filter='id != ""')
            return opened

        yield open_one


@pytest.fixture(params=["memory", "exact", "hnsw", pytest.param("milvus", marks=pytest.mark.slow)])
def make_store(request: pytest.FixtureRequest) -> Callable[[int], Store]:
    """Opens an empty store of one of the four kinds; PostgreSQL's HNSW never falls back to exact for size."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "milvus":
        opener: Callable[[int], Store] = request.getfixturevalue("open_milvus")
        return opener
    open_postgres = request.getfixturevalue("open_postgres")
    return lambda dim: open_postgres(dim, index=request.param, exact_below=0)
