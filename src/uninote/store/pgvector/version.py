"""Check of the server's pgvector version."""

from __future__ import annotations

from uninote.errors import StoreError

CREATE_EXTENSION = "CREATE EXTENSION IF NOT EXISTS vector"
READ_VERSION = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"


def check_version(version: str) -> None:
    """Raise StoreError for a pgvector older than 0.8, which has no iterative scans."""
    if tuple(map(int, version.split(".")[:2])) < (0, 8):
        raise StoreError(f"pgvector {version} is too old; update the server to pgvector 0.8 or newer")
