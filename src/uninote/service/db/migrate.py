"""Schema upgrade: Alembic over the migrations inside the package, one process at a time."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from uninote.errors import StoreError
from uninote.service.db.base import SCHEMA
from uninote.store.pgvector.version import CREATE_EXTENSION, READ_DATABASE, check_database

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Run the missing migrations in one transaction. Raises StoreError for a newer database."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('uninote.service.schema'))"))
        connection.execute(text(CREATE_EXTENSION))
        check_database(*connection.execute(text(READ_DATABASE)).one())
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
        present = current(connection)
        if present is not None and present not in known:
            raise StoreError(
                f"the database is at schema {present}, which this version does not know: update UniNote"
            )
        command.upgrade(config(connection), revision)
    engine.dispose()  # connections opened before the extension have no vector type


def current(connection: Connection) -> str | None:
    """Return the schema revision of the database, None when it has no tables yet."""
    options = {"version_table_schema": SCHEMA}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def config(connection: Connection) -> Config:
    """Return an Alembic configuration for this connection, without a file."""
    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    settings.attributes["connection"] = connection
    return settings
