"""What a saved model says of itself, read without loading it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uninote.errors import ModelError, RenderingError
from uninote.items import require_rendering


def saved_version(folder: Path) -> str:
    """Return `Encoder.version` of the model in `folder`. Raises ModelError when there is none that fits."""
    return str(_read(folder)["version"])


def saved_dim(folder: Path) -> int | None:
    """Its widest dimension; None for a folder written before it was noted. Raises ModelError as above."""
    dim = _read(folder).get("dim")
    return None if dim is None else int(dim)


def _read(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "uninote.json").read_text())
        config["version"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(
            f"{folder} is not a saved UniNote model (no readable uninote.json): "
            "train one with `uninote train sft`, or name another folder"
        ) from error
    check_rendering(folder, config)
    return config


def check_rendering(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise RenderingError when the model of `config` reads items in another way than this release."""
    require_rendering(config, f"model {folder.name!r}", "train it again", RenderingError)
