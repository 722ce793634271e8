"""Training of both stages. The names load at first use, so that the formulas import without a trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninote.extras import require
from uninote.lazy import lazy_names

if TYPE_CHECKING:
    from uninote.training.labelled import Labelled, examples_from, pairs_from
    from uninote.training.rl import train_rl
    from uninote.training.sft import train_sft

require("train")

__all__ = ["Labelled", "examples_from", "pairs_from", "train_rl", "train_sft"]

__getattr__ = lazy_names(
    __name__,
    {
        "Labelled": "labelled",
        "examples_from": "labelled",
        "pairs_from": "labelled",
        "train_rl": "rl",
        "train_sft": "sft",
    },
)
