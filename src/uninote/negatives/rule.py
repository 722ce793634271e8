"""Negatives by rule (Eq. 5): the very note without what is asked for."""

from __future__ import annotations

from uninote.items import Item
from uninote.tasks.definitions import Pair


def rule_negative(pair: Pair) -> Item | None:
    """`N \\ {I_i}`: the positive note without picture I_i, its description and its OCR.

    Everything else matches, so only true membership of the query tells it from the positive. The paper
    has it for I2Note; here T2Note and OCR2Note have it likewise. None for tasks whose target is not a
    note, and when it would equal the positive.
    """
    negative = pair.counterfactual
    return None if negative is None or negative.key == pair.positive.key else negative
