"""Manifest of an index folder: what an index keeps of its making, and the check of options against it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uninote.errors import ConfigError
from uninote.settings import StoreSettings
from uninote.store.layout import kind_of

MANIFEST = "index.json"
EMBEDDED = "embedded"
"""Place of an index whose database is in its folder."""


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return what an index folder keeps of its making; None for a folder that holds no index."""
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text()))
        return manifest | {"version": str(manifest["version"]), "dim": int(manifest["dim"])}
    except (OSError, ValueError, LookupError, TypeError):
        return None


def check_layout(store: StoreSettings, manifest: Mapping[str, Any], name: str) -> StoreSettings:
    """Return `store` with the layout that an index keeps; earlier releases kept the dimension only.

    Raises ConfigError, which names both, when `store` sets something else.
    """
    kept = {"dims": manifest["dim"], "precision": manifest.get("precision", "single")}
    kept |= {"index": manifest["index"]} if "index" in manifest else {}
    for key, value in kept.items():
        asked = getattr(store, key)
        if key in store.model_fields_set and asked not in (None, "auto", value):
            raise ConfigError(
                f"{name} was made with store.{key}={value}, not {asked}: leave store.{key} out, or make "
                "another index with `uninote index --out`"
            )
    return store.model_copy(update=kept)


def check_place(manifest: Mapping[str, Any], folder: Path, address: str) -> None:
    """Raise ConfigError when `store.address` is not of the kind that the index was loaded into."""
    made = manifest.get("store")
    if made is None:  # of an earlier release, which did not keep it
        return
    if made == "memory":
        raise ConfigError(f"the index {folder} was kept in memory only: make it without store.address=memory")
    asked = kind_of(address) if address else EMBEDDED
    if asked != made and (asked, made) != ("postgresql", EMBEDDED):
        raise ConfigError(
            f"the index {folder} was loaded into a {made} store, not {asked}: set store.address as for "
            "`uninote index`"
            if made != EMBEDDED
            else f"the index {folder} has a database of its own, not {asked}: leave store.address out"
        )
