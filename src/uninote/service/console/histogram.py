"""Histogram of scores as SVG shapes: pure geometry, drawn by a template.

Positions across are in percent of the width, so that letters keep their size; heights are in pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 100.0, 220.0
TOP, BOTTOM = 36.0, 34.0  # at the top the names of two lines
GAP = 0.1  # part of a bin's width that stays empty
MAX_TICKS = 6  # a phone has room for no more


@dataclass(frozen=True)
class Bar:
    """Rectangle of one bin, with its tooltip; hit: whether it is at or above the threshold."""

    x: float
    y: float
    width: float
    height: float
    title: str
    hit: bool


@dataclass(frozen=True)
class Mark:
    """Labelled position on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Shapes that the template draws.

    Heights grow with the square root of the counts, since few notes are near the threshold and nearly all are
    far below it.
    """

    bars: list[Bar]
    positives: list[Bar]
    x_marks: list[Mark]
    y_marks: list[Mark]
    lines: list[Mark]
    height: float = HEIGHT
    bottom: float = HEIGHT - BOTTOM


def chart(
    edges: Sequence[float],
    counts: Sequence[int],
    positives: Sequence[int] = (),
    lines: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Return bars over `edges` (one more than `counts`), and vertical lines at scores with their names."""
    low, high = edges[0], edges[-1]
    highest = max(1, *counts)
    up = HEIGHT - TOP - BOTTOM

    def x(score: float) -> float:
        return round(WIDTH * (min(high, max(low, score)) - low) / (high - low), 2)

    def rise(count: int) -> float:
        return round(up * math.sqrt(count / highest), 2)

    def bars(values: Sequence[int], what: str) -> list[Bar]:
        limit = lines[0][0] if lines else math.inf
        return [
            Bar(
                x=x(left),
                y=round(TOP + up - rise(value), 2),
                width=round((1 - GAP) * (x(right) - x(left)), 2),
                height=rise(value),
                title=f"{left:.3f} to {right:.3f}: {value} {what}",
                hit=left >= limit - 1e-9,
            )
            for left, right, value in zip(edges, edges[1:], values, strict=False)
            if value
        ]

    return Chart(
        bars=bars(counts, "scores"),
        positives=bars(positives, "right"),
        x_marks=[Mark(x(value), f"{value:.2f}") for value in _ticks(low, high)],
        y_marks=[Mark(round(TOP + up - rise(value), 2), f"{value}") for value in _counts(highest)],
        lines=[Mark(x(score), name) for score, name in lines],
    )


def _ticks(low: float, high: float) -> list[float]:
    step = next((size for size in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / size <= MAX_TICKS), 1.0)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 6) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _counts(highest: int) -> list[int]:
    return sorted({0, round(highest / 4), highest})
