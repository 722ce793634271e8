"""Schema of a collection in the database: creation and check."""

from __future__ import annotations

import psycopg

from uninote.errors import StoreError
from uninote.store.pgvector.version import READ_DATABASE, check_database
from uninote.store.sql import (
    ADD_COLLECTION,
    CREATE_SCHEMA,
    LOCK_SCHEMA,
    READ_COLLECTION,
    Statements,
    VectorTable,
)

SCHEMA_VERSION = 1
CONNECT_SECONDS = 10


def prepare(address: str, collection: VectorTable, statements: Statements) -> None:
    """Create or check the collection. Raises StoreError when it was made differently."""
    wanted = {
        "schema version": SCHEMA_VERSION,
        "dimension": collection.dim,
        "precision": collection.precision,
    }
    with psycopg.connect(address, connect_timeout=CONNECT_SECONDS) as connection:
        connection.execute(LOCK_SCHEMA)
        for statement in CREATE_SCHEMA:
            connection.execute(statement)
        check_database(*(connection.execute(READ_DATABASE).fetchone() or ("0.0", "UTF8")))
        found = connection.execute(READ_COLLECTION, [collection.name]).fetchone()
        if found is None:
            connection.execute(ADD_COLLECTION, [collection.name, *wanted.values()])
            for composed in statements.create:
                connection.execute(composed)
        for (name, asked), stored in zip(wanted.items(), found or wanted.values(), strict=True):
            if stored != asked:
                raise StoreError(
                    f"collection {collection.name!r} was made with {name} {stored}, not {asked}; "
                    f"ask for {stored}, or use another folder, database or collection"
                )
