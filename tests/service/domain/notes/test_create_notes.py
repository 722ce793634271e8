"""The file of the function that creates notes is the text of the database's function."""

from __future__ import annotations

from importlib.resources import files

import psycopg

TEXT = files("uninote.service.domain.notes").joinpath("create_notes.sql").read_text("utf-8")


def definition(connection: psycopg.Connection[tuple[str]]) -> str:
    name = "'service.create_notes'::regproc"
    ((text,),) = connection.execute(f"SELECT pg_get_functiondef({name})").fetchall()
    return text


def test_the_migrated_database_has_the_function_of_the_file(address: str) -> None:
    with psycopg.connect(address) as connection:
        migrated = definition(connection)
        connection.execute(TEXT)  # type: ignore[arg-type]
        assert definition(connection) == migrated
        connection.execute(TEXT.replace("digests <> '{}'", "digests <> '{ }'"))  # type: ignore[arg-type]
        assert definition(connection) != migrated
