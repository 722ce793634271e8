from __future__ import annotations

import sys
from pathlib import Path

import pytest

from uninote.errors import MissingExtraError, StoreError
from uninote.settings import StoreSettings
from uninote.store.embedded import EmbeddedServer
from uninote.store.factory import open_store
from uninote.store.memory import MemoryStore
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record


def test_memory(tmp_path: Path) -> None:
    assert isinstance(open_store(StoreSettings(address="memory"), tmp_path, 4), MemoryStore)


def test_an_address_is_used_as_it_is(server: EmbeddedServer, tmp_path: Path) -> None:
    settings = StoreSettings(address=server.address, index="exact")
    store = open_store(settings, tmp_path, 4, collection="factory")
    assert isinstance(store, PostgresStore)
    assert store.dim == 4
    store.close()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=r"dimension 4.*not 5"):
        open_store(settings, tmp_path, 5, collection="factory")


def test_without_an_address_the_server_lives_in_the_data_folder(data_dir: Path) -> None:
    for kind in ("first", "second"):
        store = open_store(StoreSettings(), data_dir, 2, collection="factory")
        assert store.upsert([Record("a", [1, 0], kind)]).written == 1
        assert store.count() == 1
        store.close()
    assert (data_dir / "postgres/cluster/PG_VERSION").exists()


def test_a_cluster_needs_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="not a Milvus address"):
        open_store(StoreSettings(address="milvus://"), tmp_path, 4)
    monkeypatch.setitem(sys.modules, "uninote.store.milvus", None)
    with pytest.raises(MissingExtraError, match=r"uninote\[milvus\]"):
        open_store(StoreSettings(address="milvus://host"), tmp_path, 4)
