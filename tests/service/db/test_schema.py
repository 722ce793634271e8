"""The migrations make what the models say, and the database keeps its own rules."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from uninote.errors import StoreError
from uninote.service.db import gallery_tables, note_tables  # noqa: F401
from uninote.service.db.base import SCHEMA, Base
from uninote.service.db.engine import Database
from uninote.service.db.migrate import config, upgrade


def differences(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "version_table_schema": SCHEMA,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
            },
        )
        return compare_metadata(context, Base.metadata)


def test_migrations_and_models_agree(database: Database) -> None:
    assert differences(database) == []


def test_down_and_up_again(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(config(connection), "base")
        tables = (
            connection.execute(
                text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'service'")
            )
            .scalars()
            .all()
        )
        assert tables == ["alembic_version"]
    upgrade(database.engine)
    assert differences(database) == []


def test_a_newer_database_is_refused(address: str) -> None:
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE service.alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"9999.*update UniNote"):
        Database(address)


@pytest.mark.parametrize(
    "change", ["UPDATE service.audit SET actor = 'x'", "DELETE FROM service.audit", "TRUNCATE service.audit"]
)
def test_the_audit_log_is_append_only(address: str, change: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO service.audit (actor, action, subject, details) VALUES ('a', 'b', 'c', '{}')"
        )
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            connection.execute(change)  # type: ignore[arg-type]


def test_two_active_models_are_refused(address: str) -> None:
    add = "INSERT INTO service.model_versions (version, dim, state) VALUES (%s, 4, 'active')"
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(add, ["a"])
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(add, ["b"])


def test_a_bad_address_names_no_password() -> None:
    with pytest.raises(StoreError) as error:
        Database("postgresql://user:secret@127.0.0.1:1/none")
    assert "secret" not in str(error.value)
