"""Trimming of an item's texts to a token budget."""

from __future__ import annotations

from collections.abc import Sequence


def fit_lengths(lengths: Sequence[int], budget: int) -> list[int]:
    """Trim the longest parts first, so that the returned lengths sum to at most `budget`.

    The largest common cap is used ("water filling"): a short title is never cut for a long body, and
    leftover tokens go to the earliest of the capped parts. Token counts in, token counts out.
    """
    if sum(lengths) <= budget:
        return list(lengths)
    fitted = [0] * len(lengths)
    left = max(budget, 0)
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], -i))
    for done, i in enumerate(order):
        fitted[i] = min(lengths[i], left // (len(order) - done))
        left -= fitted[i]
    return fitted
