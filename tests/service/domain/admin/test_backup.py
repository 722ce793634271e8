"""Backup and restore: a backup has everything, and a service on the restored database works as before."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import StoreError
from uninote.items import Picture
from uninote.service.db.engine import Database
from uninote.service.domain.admin.backup import backup, counts, restore
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.review import verdicts


def contents(address: str) -> dict[str, list[Any]]:
    with psycopg.connect(address) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'service'").fetchall()
        return {
            name: sorted(connection.execute(f"SELECT t::text FROM service.{name} AS t").fetchall())  # type: ignore[arg-type]
            for (name,) in tables
        }


@pytest.fixture
def filled(world: World, note: MakeNote, at: Toward, tmp_path: Path) -> Path:
    world.category("spam")
    world.sample("spam", at(1.0))
    world.ingest(note("n1", at(0.9), pictures=(Picture.from_bytes(b"png"),)), note("n2", at(0.0, 1.0)))
    ((match,),) = world.rows("SELECT id FROM service.matches")
    world.database.transaction(lambda s: verdicts.judge(s, match, "true_positive", "ana"))
    file = tmp_path / "service.dump"
    assert backup(world.database, file) == file.stat().st_size > 0
    return file


def test_a_restored_database_is_the_same_and_goes_on(
    world: World, filled: Path, note: MakeNote, at: Toward, server: Any
) -> None:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE restored")
    address = server.address.replace("/postgres?", "/restored?")
    before = contents(world.database.address)
    assert len(before) > 20
    restore(address, filled)
    assert contents(address) == before
    with Database(address) as database:
        assert counts(database) == counts(world.database)
        world.database, world.matcher = database, Matcher()
        assert (
            world.ingest(note("n1", at(0.9), pictures=(Picture.from_bytes(b"png"),)))[0].status == "unchanged"
        )
        assert len(world.ingest(note("n3", at(0.9)))[0].hits) == 1
    with pytest.raises(StoreError, match=r"has a schema 'service' already.*DROP SCHEMA"):
        restore(address, filled)


def test_into_a_folder_of_its_own(world: World, filled: Path, tmp_path: Path) -> None:
    before = contents(world.database.address)
    restore(tmp_path / "fresh", filled)
    with Database(tmp_path / "fresh") as database:
        assert contents(database.address) == before


def test_a_backup_is_private_and_whole_or_not_there(world: World, filled: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(filled.stat().st_mode) == 0o600
    with pytest.raises(StoreError, match="cannot be written"):
        backup(world.database, filled / "x.dump")
    world.database.address = world.database.address.replace("port=5432", "port=1")
    with pytest.raises(StoreError, match="pg_dump failed"):
        backup(world.database, tmp_path / "other.dump")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["service.dump"]


def test_a_failed_restore_leaves_no_folder_and_no_schema(world: World, filled: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"noise")
    with pytest.raises(StoreError, match="pg_restore failed"):
        restore(tmp_path / "new" / "postgres", tmp_path / "noise")
    assert not (tmp_path / "new").exists()
    # Half of a dump: its list of contents is read, its data end too early.
    (tmp_path / "half").write_bytes(filled.read_bytes()[: filled.stat().st_size * 2 // 3])
    (tmp_path / "kept").mkdir()
    with pytest.raises(StoreError, match="pg_restore failed"):
        restore(tmp_path / "kept" / "postgres", tmp_path / "half")
    assert list((tmp_path / "kept").iterdir()) == []
    # A dump of a newer release: restored, and refused by the upgrade.
    with psycopg.connect(world.database.address, autocommit=True) as connection:
        connection.execute("UPDATE service.alembic_version SET version_num = '9999'")
    newer = tmp_path / "newer"
    backup(world.database, newer)
    with pytest.raises(StoreError, match=r"9999.*update UniNote"):
        restore(tmp_path / "kept" / "postgres", newer)
    assert list((tmp_path / "kept").iterdir()) == []
    with psycopg.connect(world.database.address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA service CASCADE")
    with pytest.raises(StoreError, match="9999"):
        restore(world.database.address, newer)
    restore(world.database.address, filled)  # nothing is in the way of the next try


def test_what_is_no_dump_is_refused_and_leaves_nothing(server: Any, tmp_path: Path) -> None:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE DATABASE untouched")
    address = server.address.replace("/postgres?", "/untouched?")
    with pytest.raises(StoreError, match="no backup file"):
        restore(address, tmp_path / "none")
    (tmp_path / "noise").write_bytes(b"noise")
    with pytest.raises(StoreError, match=r"pg_restore failed.*a whole file of `uninote db backup`"):
        restore(address, tmp_path / "noise")
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'service'").fetchone() is None


def test_the_password_is_not_among_the_arguments(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    class Done:
        returncode, stderr = 1, "no"

    def record(arguments: list[str], **options: Any) -> Done:
        seen.append((arguments, options["env"]))
        return Done()

    monkeypatch.setattr("uninote.service.domain.admin.backup.subprocess.run", record)
    world.database.address = "postgresql://user:hidden@127.0.0.1/db"
    with pytest.raises(StoreError):
        backup(world.database, tmp_path / "x.dump")
    ((arguments, environment),) = seen
    assert "hidden" not in " ".join(arguments)
    assert environment["PGPASSWORD"] == "hidden"
