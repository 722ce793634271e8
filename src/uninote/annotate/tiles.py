"""Overlapping tiles of a long picture, and the text boxes found in them.

At a longest side of 640 pixels, the lines of a picture of 690 x 6000 are two pixels high. In tiles that are
twice as long as wide they stay legible. A box is float32 [4, 2]: the corners (x, y) of a text line, from the
top left one clockwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float32]

LONG = 2.5
"""Longer side by shorter side from which a picture is long."""
MOST = 32
"""Tiles of one picture; those of an even longer picture are longer, and scaled down for the detector."""


def spans(long: int, short: int, side: int) -> list[tuple[int, int]]:
    """Return the tiles of a picture as ranges of pixels along its longer side; one range unless it is long.

    A tile is twice as long as the shorter side, or `side` if that is more: the detector sees those pixels
    unscaled. Neighbours overlap by an eighth at least, so that a line cut in one is whole in the other.
    """
    if long <= max(side, LONG * short):
        return [(0, long)]
    length = max(side, 2 * short, -(-8 * long // (7 * MOST)))
    count = -(-(8 * long - length) // (7 * length))
    starts = np.linspace(0, long - length, count).round().astype(int).tolist()
    return [(start, start + length) for start in starts]


def joined(tiles: Sequence[Sequence[Box]]) -> list[Box]:
    """Return the boxes of all tiles, in the coordinates of the picture, without those found twice.

    Boxes of neighbouring tiles that share pixels of one line are one box: the one that holds the other, or
    the rectangle around both.
    """
    found: list[Box] = []
    last: list[Box] = []  # boxes of the tile before
    for tile in tiles:
        new: list[Box] = []
        for box in tile:
            same = [other for other in last if _share_a_line(other, box)]
            found = [one for one in found if not any(one is other for other in same)]
            new.append(reduce(_around, same, box))
        found += new
        last = new
    return found


def _share_a_line(one: Box, other: Box) -> bool:
    (width, height), (_, low), (_, high) = _overlap(one, other), _size(one), _size(other)
    return bool(width > 0 and height > 0.5 * min(low, high))


def _overlap(one: Box, other: Box) -> NDArray[np.float32]:
    shared: NDArray[np.float32] = np.minimum(one.max(0), other.max(0)) - np.maximum(one.min(0), other.min(0))
    return shared


def _size(box: Box) -> NDArray[np.float32]:
    size: NDArray[np.float32] = box.max(0) - box.min(0)
    return size


def _around(one: Box, other: Box) -> Box:
    low, high = np.minimum(one.min(0), other.min(0)), np.maximum(one.max(0), other.max(0))
    whole = (high - low).prod()
    for box in (one, other):
        if _size(box).prod() > 0.9 * whole:  # it keeps its slant
            return box
    return np.array([low, [high[0], low[1]], high, [low[0], high[1]]], np.float32)
