"""Batches by tokens, not by count: similar lengths together, padding counted against a budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def token_batches(costs: Sequence[int], budget: int | None, most: int | None = None) -> Iterator[list[int]]:
    """Return positions of items in batches whose padded size (count x longest) is at most `budget` tokens.

    The longest come first, so that a lack of memory shows at once. An item
    longer than the budget gets a batch of its own. `most`: largest number of items; None: no limit.
    """
    batch: list[int] = []
    for i in sorted(range(len(costs)), key=lambda i: (-costs[i], i)):
        if batch and (
            len(batch) == most or (budget is not None and costs[batch[0]] * (len(batch) + 1) > budget)
        ):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def blocks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield the values in order, in lists of `size`; the last one may be shorter."""
    source = iter(values)
    while block := list(islice(source, size)):
        yield block
