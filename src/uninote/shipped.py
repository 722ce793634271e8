"""Shipped models: trained models inside the package, each by its name.

This module is below `encoder`: it only checks that `uninote.json` exists; `encoder.saved` reads it.
"""

from __future__ import annotations

from pathlib import Path

from uninote.errors import ModelError

HOME = Path(__file__).parent / "models"
COMPACT = "compact"
"""Trained compact model: only the trained weights; the towers come from the registry packages."""
MULTILINGUAL = "multilingual"
"""The same on a text tower of a hundred languages, from a package of its own (`uninote[multilingual]`)."""


def shipped_models() -> dict[str, Path]:
    """List the folders by name."""
    return {file.parent.name: file.parent for file in sorted(HOME.glob("*/uninote.json"))}


def model_folder(model: str | Path) -> Path:
    """Return the folder meant by `model`: itself, or the shipped model of that name if no such folder exists.

    Raises ModelError for the name of a shipped model that this installation lacks.
    """
    folder = Path(model)
    if (folder / "uninote.json").is_file() or folder.name != str(model):
        return folder
    shipped = shipped_models().get(folder.name)
    if shipped is None and folder.name == COMPACT and not folder.exists():
        raise ModelError(
            f"this installation has no shipped model {COMPACT!r}: reinstall uninote, or train one "
            "with `make model NOTES=path`"
        )
    return shipped or folder
