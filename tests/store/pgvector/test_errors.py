"""Sentences for errors of a real server, which name the fix and no address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import ConnectionPool, PoolTimeout

from uninote.store.embedded import EmbeddedServer
from uninote.store.pgvector.errors import sentence

LOGINS = "local all locked scram-sha-256\nlocal all barred reject\n"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with a user that needs a password, one that is turned away, and one who may do little."""
    folder = tmp_path_factory.mktemp("guarded")
    with EmbeddedServer(folder) as server:
        access = Path(folder, "cluster/pg_hba.conf")
        access.write_text(LOGINS + access.read_text())
        with psycopg.connect(server.address, autocommit=True) as connection:
            connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right' CONNECTION LIMIT 0")
            connection.execute("CREATE ROLE barred LOGIN")
            connection.execute("CREATE ROLE plain LOGIN")
            connection.execute("SELECT pg_reload_conf()")
        yield server


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("postgres@", "locked:secret@"), "refuses this login: password authentication failed"),
        (("postgres@", "barred@"), "refuses this login: .*correct the user"),
        (("postgres@", "nobody@"), "refuses this login: role .*correct the user"),
        (("postgres@", "locked:right@"), "no connection left: .*max_connections"),
        (("/postgres?", "/absent?"), 'database "absent" does not exist; create'),
        (("port=5432", "port=1"), "cannot be reached: .*start it, or correct store.address"),
    ],
)
def test_a_connection_that_fails(guarded: EmbeddedServer, change: tuple[str, str], expected: str) -> None:
    with pytest.raises(psycopg.OperationalError) as error:
        psycopg.connect(guarded.address.replace(*change))
    told = sentence(error.value)
    assert "secret" not in told
    assert "guarded" not in told  # the folder of the socket
    assert "\n" not in told
    assert re.search(expected, told)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("postgresql://u:secret@127.0.0.1:1/d", "the database cannot be reached: Connection refused"),
        ("postgresql://u:secret@host.invalid/d", "the database cannot be reached: its host name is unknown"),
        ("nonsense", "not a PostgreSQL address"),
    ],
)
def test_no_server(address: str, expected: str) -> None:
    with pytest.raises(psycopg.Error) as error:
        psycopg.connect(address, connect_timeout=3)
    told = sentence(error.value)
    assert expected in told
    assert not any(part in told for part in ("secret", "127.0.0.1", "host.invalid"))


@pytest.mark.parametrize(
    ("user", "setting", "statement", "expected"),
    [
        (
            "postgres",
            "default_transaction_read_only=on",
            "CREATE SCHEMA x",
            "the database is read-only: .*primary",
        ),
        ("plain", "", "CREATE SCHEMA x", "the database's user may not do this: permission denied.*grant it"),
        (
            "plain",
            "",
            "CREATE EXTENSION vector SCHEMA public",
            "has no pgvector: permission.*superuser",
        ),
        ("postgres", "", "CREATE EXTENSION nothing", "has no pgvector: .*install pgvector 0.8"),
        ("postgres", "", "SELECT 1 FROM service.notes", "the database failed: .*not those of this version"),
        ("postgres", "statement_timeout=1", "SELECT pg_sleep(9)", "the database gave up: .*timeout"),
        (
            "postgres",
            "",
            "DO $$ BEGIN RAISE disk_full; END $$",
            "the disk of the database is full: ",
        ),
        ("postgres", "", "DO $$ BEGIN RAISE out_of_memory; END $$", "the database is out of memory"),
        ("postgres", "", "DO $$ BEGIN RAISE io_error; END $$", "files cannot be used: .*restore a backup"),
        ("postgres", "", "DO $$ BEGIN RAISE data_corrupted; END $$", "files cannot be used"),
        ("postgres", "", "DO $$ BEGIN RAISE division_by_zero; END $$", "^the database failed: "),
    ],
)
def test_a_statement_that_fails(
    guarded: EmbeddedServer, user: str, setting: str, statement: str, expected: str
) -> None:
    options = {"options": f"-c {setting}"} if setting else {}
    with psycopg.connect(guarded.address.replace("postgres@", f"{user}@"), **options) as connection:
        with pytest.raises(psycopg.Error) as error:
            connection.execute(statement)
        connection.rollback()
    assert re.search(expected, sentence(error.value))


def test_shared_memory_is_called_so() -> None:
    class Full(psycopg.errors.DiskFull):
        """As the server raises it where `/dev/shm` is full."""

        class diag:
            source_file = "dsm_impl.c"
            message_primary = "could not resize shared memory segment"

    assert "--shm-size" in sentence(Full())
    assert "shared memory of the database's server is full" in sentence(Full())


def test_a_pool_without_a_free_connection(guarded: EmbeddedServer) -> None:
    with (
        ConnectionPool(guarded.address, min_size=1, max_size=1, open=True) as pool,
        pool.connection(),
        pytest.raises(PoolTimeout) as error,
        pool.connection(timeout=0.01),
    ):
        pass
    assert "connections are busy" in sentence(error.value)
