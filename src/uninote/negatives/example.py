"""Training example: a pair with its hard negatives and their soft labels."""

from __future__ import annotations

from dataclasses import dataclass

from uninote.items import Item
from uninote.tasks.definitions import Pair


@dataclass(frozen=True)
class Example:
    """A pair, its hard negatives, and the reference scores of both (Eq. 3, 4).

    Attributes:
        negatives: the rule negative first if there is one, then the mined ones.
        scores: soft-label score of each negative, in the same order.
        positive_score: soft-label score of the positive.
    """

    pair: Pair
    negatives: tuple[Item, ...]
    scores: tuple[float, ...]
    positive_score: float
