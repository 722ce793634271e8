"""Factory of stores from settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninote.extras import needs
from uninote.settings import StoreSettings
from uninote.store.layout import kind_of, layout_of
from uninote.store.memory import MemoryStore
from uninote.store.protocol import Store

if TYPE_CHECKING:  # an extra
    from uninote.store.milvus import MilvusStore


def open_milvus(address: str, dim: int, **options: Any) -> MilvusStore:
    """Open the store in a Milvus cluster. Raises MissingExtraError when its client is not installed."""
    with needs("milvus"):
        from uninote.store.milvus import MilvusStore
    return MilvusStore(address, dim, **options)


def open_store(settings: StoreSettings, data_dir: Path, dim: int, collection: str = "items") -> Store:
    """Open the store that `settings.address` names, for vectors of `dim` dimensions.

    It is a PostgreSQL or Milvus address, `memory`, or empty for the embedded server with its data in
    `data_dir`/postgres. Precision and index are those of `layout_of`.

    Raises StoreError when it cannot be opened, ConfigError when it does not hold such vectors,
    MissingExtraError when its client is not installed.
    """
    layout, kind = layout_of([dim], settings), kind_of(settings.address)
    if kind == "memory":
        return MemoryStore(dim)
    if kind == "milvus":
        return open_milvus(settings.address, dim, index=layout.index, collection=collection)
    with needs("store"):
        from uninote.store.postgres import PostgresStore
    place = settings.address or data_dir / "postgres"
    return PostgresStore(place, dim, index=layout.index, collection=collection, precision=layout.precision)
