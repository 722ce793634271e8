"""Check of the database: pgvector's version and the encoding of texts."""

from __future__ import annotations

from uninote.errors import StoreError

CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"
READ_DATABASE = "SELECT extversion, getdatabaseencoding() FROM pg_extension WHERE extname = 'vector'"


def check_database(version: str, encoding: str) -> None:
    """Raise StoreError for a pgvector older than 0.8, which has no iterative scans, or texts not in UTF-8."""
    if tuple(map(int, version.split(".")[:2])) < (0, 8):
        raise StoreError(f"pgvector {version} is too old; update the server to pgvector 0.8 or newer")
    if encoding != "UTF8":
        raise StoreError(
            f"the database stores texts in {encoding}, which lacks most scripts; create one with "
            "CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and name it in store.address"
        )
