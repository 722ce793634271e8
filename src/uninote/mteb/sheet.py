"""Contact sheet: several pictures in one, for models that take one picture an item."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

from PIL import Image

from uninote.items import Picture

CELL, SHEET = 448, 1024
"""Largest side, in pixels, of the square that each picture is fitted into, and of the whole sheet."""
QUALITY = 85


def one_picture(pictures: Sequence[Picture], load: Callable[[Picture], Image.Image]) -> bytes:
    """Return the encoded picture that stands for `pictures`.

    One picture is returned as it is. Several become a JPEG grid, row by row, as wide as it is high or one
    column wider than that. None become a white square.
    """
    if len(pictures) == 1:
        return pictures[0].read()
    columns = math.ceil(math.sqrt(max(len(pictures), 1)))
    rows = math.ceil(max(len(pictures), 1) / columns)
    cell = min(CELL, SHEET // columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell), "white")
    for place, picture in enumerate(pictures):
        image = load(picture)
        image.thumbnail((cell, cell), Image.Resampling.LANCZOS)
        row, column = divmod(place, columns)
        left, top = column * cell + (cell - image.width) // 2, row * cell + (cell - image.height) // 2
        sheet.paste(image, (left, top))
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()
