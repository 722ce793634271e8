"""Address of the service's database."""

from __future__ import annotations

from pathlib import Path

from uninote.errors import ConfigError
from uninote.settings import StoreSettings


def database_place(settings: StoreSettings, folder: Path) -> str | Path:
    """Return `store.address`, or the embedded server of a served folder. Raises ConfigError for another
    engine.
    """
    address = settings.address
    if address and not address.startswith(("postgresql://", "postgres://")):
        raise ConfigError(
            "the service keeps its notes in PostgreSQL: set store.address to postgresql://..., or leave "
            "it empty for the embedded server"
        )
    return address or folder / "postgres"
