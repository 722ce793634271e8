"""Backup and restore of the service's database with `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text

from uninote.errors import StoreError
from uninote.files import write_atomic
from uninote.service.db.base import SCHEMA
from uninote.service.db.engine import Database
from uninote.store.embedded import EmbeddedServer, programs


def backup(database: Database, file: Path) -> int:
    """Write a consistent dump to `file` while the service runs; return its size in bytes.

    The file is written atomically; only its owner may read it. Raises StoreError when it cannot be written.
    """
    try:
        with write_atomic(file) as partial:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            _program(
                "pg_dump", database.address, "--format=custom", f"--schema={SCHEMA}", f"--file={partial}"
            )
    except OSError as error:
        raise StoreError(f"the backup cannot be written to {file}: {error.strerror}") from error
    return file.stat().st_size


def restore(place: str | Path, file: Path) -> None:
    """Load a dump into a database without a service schema, in one transaction.

    Open the result with `Database`, which upgrades the schema of an older dump. place: as for `Database`; in
    a folder without a database one is created. Raises StoreError when there is a schema already, when the
    file is no dump, and when the server cannot be used.
    """
    if not file.is_file():
        raise StoreError(f"there is no backup file {file}")
    if isinstance(place, Path):
        with EmbeddedServer(place) as server:
            return restore(server.address, file)
    try:
        with psycopg.connect(place, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [SCHEMA]).fetchone():
                raise StoreError(
                    f"the database has a schema {SCHEMA!r} already; restore into a new database, "
                    f"or remove it with DROP SCHEMA {SCHEMA} CASCADE"
                )
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            _program("pg_restore", place, "--single-transaction", "--no-owner", "--exit-on-error", str(file))
            connection.execute("ANALYZE")
    except psycopg.Error as error:
        raise StoreError(f"the database cannot be reached: {str(error).strip().splitlines()[0]}") from error
    return None


def counts(database: Database) -> dict[str, int]:
    """Return the number of rows per table, to compare a restored database with its original."""
    with database.engine.connect() as connection:
        tables = connection.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'"
            ),
            {"schema": SCHEMA},
        ).scalars()
        return {
            name: int(connection.execute(text(f"SELECT count(*) FROM {SCHEMA}.{name}")).scalar_one())
            for name in sorted(tables)
        }


def _program(name: str, address: str, *arguments: str) -> None:
    """Run a program of PostgreSQL; the password is in the environment, where other users cannot read it."""
    parts = conninfo_to_dict(address)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    if parts.get("password"):
        environment["PGPASSWORD"] = str(parts.pop("password"))
    target = make_conninfo(**parts)  # type: ignore[arg-type]
    done = subprocess.run(
        [_found(name), f"--dbname={target}", *arguments],
        env=environment | {"LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StoreError(f"{name} failed: {' | '.join(done.stderr.strip().splitlines()[-3:])}")


def _found(name: str) -> str:
    try:
        bundled = programs() / name
        return str(bundled) if bundled.exists() else name
    except StoreError:
        installed = shutil.which(name)
        if installed is None:
            raise StoreError(f"{name} is not installed; install PostgreSQL's client programs") from None
        return installed
