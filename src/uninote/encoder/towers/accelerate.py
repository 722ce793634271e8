"""Acceleration of towers on a CPU: graphs, exported once and cached, run by onnxruntime in place of torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch

from uninote.encoder.towers.saved import Precision, graph_file, is_saved, load_saved, save_tower
from uninote.encoder.towers.text import TokenTower
from uninote.encoder.towers.vision import PixelTower
from uninote.errors import MissingExtraError, ModelError
from uninote.extras import require

log = logging.getLogger(__name__)

VARIABLE = "UNINOTE_TOWERS"
Kind = Literal["text", "vision"]


def cache_folder() -> Path:
    """Return the folder of exported graphs, in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uninote" / "towers"


def accelerated(
    name: str,
    kind: Kind,
    load: Callable[[], TokenTower | PixelTower],
    device: torch.device,
    precision: Precision,
    threads: int | None,
) -> TokenTower | PixelTower:
    """Return the tower on onnxruntime where that is faster and possible, else as `load` returns it.

    On a CPU the graphs are read from the cache, or exported into it, a matter of seconds. torch runs the
    tower on any other device, where the exporter is not installed or cannot export the network, and where the
    environment variable `UNINOTE_TOWERS` is `torch`.

    Args:
        load: loads the tower on torch.

    Raises MissingExtraError and ModelError for texts in int8, which only graphs have, and what `load` raises.
    """
    exact = precision == "fp32" or kind == "vision"
    if device.type != "cpu" or (exact and os.environ.get(VARIABLE) == "torch"):
        if not exact:
            raise ModelError("int8 runs on a CPU: set encoder.device=cpu, or encoder.precision=fp32")
        return load()
    folder = cache_folder() / name
    found = _cached(folder, kind, precision, threads)
    if found is not None:
        return found
    plain = load()
    try:
        require("onnx")
        save_tower(plain, folder, ("fp32",) if exact else ("fp32", "int8"))
        log.info("tower %s runs on onnxruntime", name)
        return load_saved(folder, kind, precision, threads)
    except (MissingExtraError, ModelError, OSError) as error:
        if not exact:
            raise
        log.info("tower %s runs on torch: %s", name, error)
        return plain


def _cached(
    folder: Path, kind: Kind, precision: Precision, threads: int | None
) -> TokenTower | PixelTower | None:
    """Return the tower of the cache; None when it is not there, or damaged."""
    if not is_saved(folder):
        return None
    try:
        if kind == "text" and not (folder / graph_file(precision)).is_file():
            save_tower(load_saved(folder, kind, "fp32"), folder, ("fp32", precision))
        found = load_saved(folder, kind, precision, threads)
        log.info("tower %s runs on onnxruntime", found.name)
        return found
    except (MissingExtraError, ModelError, OSError) as error:
        log.warning("the graph of tower %s is exported again: %s", folder.name, error)
        return None
