"""Commands for operators, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from tests.service.conftest import toward
from typer.testing import CliRunner

from uninote.cli import app
from uninote.errors import ConfigError, StoreError
from uninote.items import Note
from uninote.service.background import milvus_collections
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import outbox, vector_index
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.store.embedded import EmbeddedServer


def uninote(*words: object) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*map(str, words), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    result: dict[str, Any] = json.loads(done.output)
    return result


def store(world: Any, *ids: str) -> None:
    world.ingest(*(Incoming(Note(one, title=one), {"m1": toward(0.5)}) for one in ids))


@pytest.mark.slow
def test_a_backup_is_restored_into_an_empty_database(
    world: Any, server: EmbeddedServer, address: str, tmp_path: Path
) -> None:
    store(world, "a", "b")
    file = tmp_path / "notes.dump"
    there = f"store.address={address}"
    assert uninote("db", "backup", file, "--set", there)["bytes"] == file.stat().st_size > 0
    assert file.stat().st_mode & 0o077 == 0
    folder = tmp_path / "restored"
    assert uninote("db", "restore", file, "--index", folder)["notes"] == 2
    with pytest.raises(StoreError, match="has a schema"):
        uninote("db", "restore", file, "--set", there)
    with pytest.raises(ConfigError, match="holds no database"):
        uninote("db", "backup", file, "--index", tmp_path / "nowhere")


COMMANDS = (
    ("db", "backup", "made.dump"),
    ("db", "index"),
    ("cluster", "status"),
    ("cluster", "stop"),
    ("cluster", "rebuild", "--set", "cluster.address=milvus://host"),
)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_database_that_fails_is_a_sentence(
    words: tuple[str, ...], world: Any, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=r"the database cannot be reached: .*store\.address"):
        uninote(*words, "--set", "store.address=postgresql://user:secret@127.0.0.1:1/x")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA service CASCADE")
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    with pytest.raises(StoreError, match="the database is read-only"):
        uninote(*words, "--set", f"store.address={address}")
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_made_of_the_active_version(world: Any, address: str) -> None:
    store(world, "a", "b")
    there = ("--set", f"store.address={address}")
    assert uninote("db", "index", "--form", "binary", *there) == {
        "version": "m1",
        "form": "binary",
        "dims": 8,
    }
    plans = world.database.transaction(lambda session: vector_index.plans(session, versions.active(session)))
    assert [(plan.form, plan.dims) for plan in plans] == [("binary", 8)]
    with pytest.raises(ConfigError, match="full, prefix or binary"):
        uninote("db", "index", "--form", "round", *there)


def test_a_cluster_is_rebuilt_watched_and_given_up(
    world: Any, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(world, "a", "b")
    dropped: list[tuple[str, int]] = []

    class Gone:
        def __init__(self, version: str, dim: int) -> None:
            self._of = version, dim

        def drop(self) -> None:
            dropped.append(self._of)

    monkeypatch.setattr(milvus_collections, "opener", lambda settings: Gone)
    there = ("--set", f"store.address={address}")
    while outbox.send(world.database, lambda _: None):
        pass
    assert uninote("cluster", "status", *there)["filled"]
    with pytest.raises(ConfigError, match=r"cluster\.address is empty"):
        uninote("cluster", "rebuild", *there)
    made = uninote("cluster", "rebuild", "--set", "cluster.address=milvus://host", *there)
    assert (made, dropped) == ({"notes": 2}, [("m1", 8)])
    state = uninote("cluster", "status", *there)
    assert (state["wanted"], state["filled"], state["lag_rows"]) == (True, False, 2)
    assert np.isfinite(state["lag_seconds"])
    assert uninote("cluster", "stop", *there) == {"wanted": False}
    assert uninote("cluster", "status", *there)["lag_rows"] == 0
