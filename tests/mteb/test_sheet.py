from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tests.mteb.conftest import load

from uninote.items import Picture
from uninote.mteb.sheet import CELL, one_picture


def flat(colour: str, size: tuple[int, int]) -> Picture:
    encoded = io.BytesIO()
    Image.new("RGB", size, colour).save(encoded, "PNG")
    return Picture.from_bytes(encoded.getvalue())


def opened(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_one_picture_is_itself() -> None:
    picture = flat("red", (30, 20))
    assert one_picture([picture], load) == picture.read()


GRIDS = [(0, 1, 1, 448), (2, 1, 2, 448), (3, 2, 2, 448), (5, 2, 3, 341), (7, 3, 3, 341), (12, 3, 4, 256)]


@pytest.mark.parametrize(("count", "rows", "columns", "cell"), GRIDS)
def test_the_grid_is_nearly_square_and_its_cells_shrink(
    count: int, rows: int, columns: int, cell: int
) -> None:
    pixels = opened(one_picture([flat("red", (20, 20))] * count, load))
    assert pixels.shape == (rows * cell, columns * cell, 3)


def test_pictures_stand_row_by_row_in_the_middle_of_their_cells() -> None:
    colours = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255)}
    pixels = opened(one_picture([flat(name, (1000, 500)) for name in colours], load))
    centres = [(CELL // 2, CELL // 2), (CELL // 2, CELL * 3 // 2), (CELL * 3 // 2, CELL // 2)]
    for centre, colour in zip(centres, colours.values(), strict=True):
        assert np.abs(pixels[centre] - colour).max() < 8
    assert (pixels[CELL * 3 // 2, CELL * 3 // 2] > 250).all()  # the fourth cell is empty
    assert (pixels[20, CELL // 2] > 250).all()  # above a picture twice as wide as high
