"""Hard-negative mining: similarity band, MaxSim scores and the counterfactual rule (method, section 1)."""

from uninote.negatives.example import Example
from uninote.negatives.index import ReferenceEncoder, ReferenceIndex
from uninote.negatives.mine import (
    TaskReport,
    mine_examples,
    mine_from_index,
    pair_items,
    usable,
    usable_examples,
)

__all__ = [
    "Example",
    "ReferenceEncoder",
    "ReferenceIndex",
    "TaskReport",
    "mine_examples",
    "mine_from_index",
    "pair_items",
    "usable",
    "usable_examples",
]
