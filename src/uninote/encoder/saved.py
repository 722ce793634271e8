"""What a saved model says of itself, read without loading it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from uninote.errors import ModelError


def saved_version(folder: Path) -> str:
    """`Encoder.version` of the model in `folder`. Raises ModelError when there is none."""
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
    return config
