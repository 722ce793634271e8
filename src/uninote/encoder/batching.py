"""Batches by tokens, not by count: similar lengths together, within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def token_batches(
    costs: Sequence[int], budget: int | None, most: int | None = None, packed: bool = False
) -> Iterator[list[int]]:
    """Return positions of items in batches of at most `budget` tokens.

    A batch has the sum of its items' tokens where it is `packed`, else, padded, count x longest. The longest
    come first, so that a lack of memory shows at once. An item longer than the budget gets a batch of its
    own. `most`: largest number of items; None: no limit.
    """
    batch: list[int] = []
    total = 0
    for i in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        total += costs[i]
        size = total if packed else costs[(batch or [i])[0]] * (len(batch) + 1)
        if batch and (len(batch) == most or (budget is not None and size > budget)):
            yield batch
            batch, total = [], costs[i]
        batch.append(i)
    if batch:
        yield batch


def blocks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the values in order, in lists of `size`; the last one may be shorter."""
    source = iter(values)
    while block := list(islice(source, size)):
        yield block
