"""The matching rule, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.service.domain.gallery.rules import hits

INF = float("inf")


@pytest.mark.parametrize(
    ("comparisons", "expected"),
    [
        ([], []),
        # At the threshold is a hit, below it is none.
        ([(0.8, 0.8, False, "a"), (0.79, 0.8, False, "a")], [True, False]),
        # An allow-list sample is never a hit itself, and takes away what is not above it.
        ([(0.9, 0.8, True, "a"), (0.91, 0.8, False, "a"), (0.9, 0.8, False, "a")], [False, True, False]),
        # The best of several allow-list samples counts, whatever their order.
        ([(0.95, 0.8, True, "a"), (0.91, 0.8, False, "a"), (0.9, 0.8, True, "a")], [False, False, False]),
        # Another group, of another note or category, is not touched.
        ([(0.9, 0.8, True, "a"), (0.85, 0.8, False, "b")], [False, True]),
        # A disabled sample neither hits nor takes a hit away.
        ([(0.9, INF, True, "a"), (0.85, 0.8, False, "a"), (0.95, INF, False, "a")], [False, True, False]),
        # Scores down to -1 are possible.
        ([(-1.0, -1.0, False, "a"), (-1.0, -1.0, True, "b"), (-1.0, -1.0, False, "b")], [True, False, False]),
    ],
)
def test_worked_by_hand(comparisons: list[tuple[float, float, bool, str]], expected: list[bool]) -> None:
    columns = zip(*comparisons, strict=True) if comparisons else ((), (), np.empty(0, bool), ())
    scores, thresholds, allow, groups = (np.array(column) for column in columns)
    assert hits(scores, thresholds, allow, groups).tolist() == expected
