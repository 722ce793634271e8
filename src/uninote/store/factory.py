"""From settings to a store."""

from __future__ import annotations

from pathlib import Path

from uninote.settings import StoreSettings
from uninote.store.memory import MemoryStore
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Store

MEMORY = "memory"


def open_store(settings: StoreSettings, data_dir: Path, dim: int, collection: str = "items") -> Store:
    """The store that `settings.address` names: a PostgreSQL address, `memory`, or empty for the embedded
    server, which then keeps its data in `data_dir`/postgres. Raises StoreError when it cannot be opened."""
    if settings.address == MEMORY:
        return MemoryStore(dim)
    place = settings.address or data_dir / "postgres"
    return PostgresStore(place, dim, index=settings.index, collection=collection)
