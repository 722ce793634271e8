"""Tiles of long pictures: they cover everything, overlap, stay bounded, and join what a seam cuts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from uninote.annotate.tiles import MOST, Box, joined, spans


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def corners(boxes: list[Box]) -> list[list[float]]:
    return [[*one.min(0).tolist(), *one.max(0).tolist()] for one in boxes]


@pytest.mark.parametrize(("long", "short"), [(640, 8), (1600, 640), (2532, 1170), (1, 1)])
def test_an_ordinary_picture_is_one_tile(long: int, short: int) -> None:
    assert spans(long, short, 640) == [(0, long)]


def test_a_screenshot_by_hand() -> None:
    # Tiles of 2 x 690 = 1380; (8 x 6000 - 1380) / (7 x 1380) = 4.83, so five, 1155 apart.
    assert spans(6000, 690, 640) == [(0, 1380), (1155, 2535), (2310, 3690), (3465, 4845), (4620, 6000)]


@pytest.mark.parametrize("long", [641, 3000, 5001, 70_000, 5_000_000])
@pytest.mark.parametrize("short", [1, 100, 1000])
def test_tiles_cover_all_and_overlap_by_an_eighth(long: int, short: int) -> None:
    tiles = spans(long, short, 640)
    assert (tiles[0][0], tiles[-1][1]) == (0, long)
    assert len(tiles) <= MOST
    assert len({end - start for start, end in tiles}) == 1
    length = tiles[0][1] - tiles[0][0]
    assert all(left[1] - right[0] >= length / 8 - 1 for left, right in pairwise(tiles))


def test_a_line_found_in_two_tiles_is_one_line() -> None:
    whole, cut, other = box(10, 100, 200, 120), box(10, 100, 200, 108), box(10, 130, 200, 150)
    assert corners(joined([[cut], [whole, other]])) == corners([whole, other])
    assert corners(joined([[whole], [whole + 1, other]])) == corners([whole + 1, other])
    assert corners(joined([[box(10, 80, 90, 98)], [whole]])) == corners([box(10, 80, 90, 98), whole])
    left, right = box(0, 100, 90, 120), box(110, 100, 200, 120)  # two columns
    assert corners(joined([[left], [right]])) == corners([left, right])


def test_a_long_line_through_three_tiles_is_one_line() -> None:
    parts = [box(10, 5, 100, 25), box(80, 6, 200, 26), box(180, 5, 250, 25)]
    assert corners(joined([[part] for part in parts])) == [[10, 5, 250, 26]]


def test_boxes_of_one_tile_are_left_as_they_are() -> None:
    nested = [box(0, 0, 100, 20), box(5, 2, 50, 18)]
    assert joined([nested]) == nested
    assert joined([[], []]) == []
