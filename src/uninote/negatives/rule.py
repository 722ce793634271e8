"""Counterfactual negatives by rule (Eq. 5)."""

from __future__ import annotations

from uninote.items import Item
from uninote.tasks.definitions import Pair


def rule_negative(pair: Pair) -> Item | None:
    """Return `N \\ {I_i}`: the positive note without picture I_i, its description and its OCR text.

    All other content is the same, so only membership of the query distinguishes it from the positive. The
    paper defines it for I2Note; here T2Note and OCR2Note have it too. Returns None for tasks whose target is
    not a note, when nothing else is left of the note, and when it would equal the positive.
    """
    negative = pair.counterfactual
    return None if negative is None or negative.key == pair.positive.key else negative
