"""Both training stages. The names below load at first use, so that the formulas import without a trainer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from uninote.extras import require

if TYPE_CHECKING:
    from uninote.training.memory import Labelled, examples_from, pairs_from
    from uninote.training.rl import train_rl
    from uninote.training.sft import train_sft

require("train")

__all__ = ["Labelled", "examples_from", "pairs_from", "train_rl", "train_sft"]

_HOMES = {
    "Labelled": "memory",
    "examples_from": "memory",
    "pairs_from": "memory",
    "train_rl": "rl",
    "train_sft": "sft",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
