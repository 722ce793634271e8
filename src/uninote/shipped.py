"""Trained models inside the package, by name."""

from __future__ import annotations

from pathlib import Path

from uninote.errors import ModelError

HOME = Path(__file__).parent / "models"
COMPACT = "compact"
"""Name of the trained compact model, a folder of the trained weights only: its towers come from packages."""


def shipped_models() -> dict[str, Path]:
    """Return the folder of each shipped model by its name."""
    return {file.parent.name: file.parent for file in sorted(HOME.glob("*/uninote.json"))}


def model_folder(model: str | Path) -> Path:
    """Return the folder that `model` names: itself or, if no such folder exists, the shipped model.

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
