"""Backup and restore of the service's database with `pg_dump` and `pg_restore`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import text
from sqlalchemy.orm import Session

from uninote.errors import StoreError
from uninote.files import write_atomic
from uninote.service.db.base import SCHEMA
from uninote.service.db.engine import Database, store_errors
from uninote.store.embedded import EmbeddedServer, programs
from uninote.store.pgvector.build import LEAST_MB
from uninote.store.pgvector.version import CREATE_EXTENSION

_FIXES = (
    ("version mismatch|unsupported version", "install PostgreSQL's client programs of that version or newer"),
    ("archive|end of file|could not read", "name a whole file of `uninote db backup`"),
    ("No space left", "make room on that disk, and try again"),
    ("permission denied|must be owner", "name a user in store.address that may do this"),
)


def backup(database: Database, file: Path) -> int:
    """Write a consistent dump to `file` while the service runs; return its size in bytes.

    The file is written atomically; only its owner may read it. Raises StoreError when it cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(file) as partial:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            dump = ["--format=custom", f"--schema={SCHEMA}", f"--file={partial}"]
            _program("pg_dump", *dump, address=database.address)
    except OSError as error:
        raise StoreError(f"the backup cannot be written to {file}: {error.strerror}") from error
    return file.stat().st_size


def restore(place: str | Path, file: Path) -> None:
    """Load a dump into a database without a service schema, all or nothing, and upgrade its schema.

    place: as for `Database`; in a folder without a database one is created. After a failure nothing of the
    dump is left, and no folder that was not there before. Raises StoreError when there is a schema already,
    when the file is no dump or of a newer version, and when the server cannot be used.
    """
    if not file.is_file():
        raise StoreError(f"there is no backup file {file}")
    _program("pg_restore", "--list", str(file))  # what is no dump shows before a database is created
    if isinstance(place, str):
        return _load(place, file)
    parts = (place / "cluster", place / "start.lock", place / "users.lock", place, *place.parents)
    created = [path for path in parts if not path.exists()]
    try:
        with EmbeddedServer(place) as server:
            _load(server.address, file)
    except BaseException:
        for path in created:  # from the inside out
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise
    return None


def _load(address: str, file: Path) -> None:
    """Restore into a server, in one transaction; upgrade the schema, or remove it again."""
    with store_errors(), psycopg.connect(address, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [SCHEMA]).fetchone():
            raise StoreError(
                f"the database has a schema {SCHEMA!r} already; restore into a new database, "
                f"or remove it with DROP SCHEMA {SCHEMA} CASCADE"
            )
        connection.execute(CREATE_EXTENSION)
        arguments = ["--single-transaction", "--no-owner", "--exit-on-error", str(file)]
        try:
            _program("pg_restore", *arguments, address=address)
        except StoreError as error:
            if "shared memory" not in str(error) and "out of memory" not in str(error):
                raise
            # Vector indexes are built by parallel workers, which need much of both.
            options = f"-c max_parallel_maintenance_workers=0 -c maintenance_work_mem={LEAST_MB}MB"
            _program("pg_restore", *arguments, address=address, options=options)
        try:
            Database(address, connections=1).close()
        except BaseException:
            connection.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
            raise
        connection.execute("ANALYZE")


def counts(database: Database) -> dict[str, int]:
    """Return the number of rows per table, to compare a restored database with its original."""

    def work(session: Session) -> dict[str, int]:
        tables = session.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(:schema) AND relkind = 'r'"
            ),
            {"schema": SCHEMA},
        )
        return {
            name: int(session.execute(text(f"SELECT count(*) FROM {SCHEMA}.{name}")).scalar_one())
            for name in sorted(tables)
        }

    return database.read(work)


def _program(name: str, *arguments: str, address: str = "", options: str = "") -> None:
    """Run a program of PostgreSQL; the password is in the environment, where other users cannot read it.

    options: settings of its session.
    """
    parts = conninfo_to_dict(address)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    if parts.get("password"):
        environment["PGPASSWORD"] = str(parts.pop("password"))
    target = make_conninfo(**parts)  # type: ignore[arg-type]
    done = subprocess.run(
        [_found(name), *([f"--dbname={target}"] if target else []), *arguments],
        env=environment | {"LC_ALL": "C"} | ({"PGOPTIONS": options} if options else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = " | ".join(done.stderr.strip().splitlines()[-3:])
        fix = next((f"; {fix}" for words, fix in _FIXES if re.search(words, reason)), "")
        raise StoreError(f"{name} failed: {reason}{fix}")


def _found(name: str) -> str:
    try:
        bundled = programs() / name
        return str(bundled) if bundled.exists() else name
    except StoreError:
        installed = shutil.which(name)
        if installed is None:
            raise StoreError(f"{name} is not installed; install PostgreSQL's client programs") from None
        return installed
