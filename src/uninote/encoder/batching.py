"""Batches by tokens, not by count: similar lengths together, padding counted against a budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def token_batches(costs: Sequence[int], budget: int | None, most: int | None = None) -> Iterator[list[int]]:
    """Return positions of items in batches whose padded size (count x longest) is at most `budget` tokens.

    Longest first, so that the largest batch is met at once and memory trouble shows early. An item
    longer than the budget gets a batch of its own. `most`: items of a batch; None limits nothing.
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
