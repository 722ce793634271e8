"""Contact sheet: several pictures in one, for models that take one picture an item."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

from PIL import Image

from uninote.items import Picture

CELL = 448
"""Side of the square that each picture of a sheet is fitted into, in pixels."""
QUALITY = 90


def one_picture(pictures: Sequence[Picture], load: Callable[[Picture], Image.Image]) -> bytes:
    """Return the encoded picture that stands for `pictures`.

    One picture is returned as it is. Several become a JPEG grid, row by row, as wide as it is high or one
    column wider than that. None become a white square.
    """
    if len(pictures) == 1:
        return pictures[0].read()
    columns = math.ceil(math.sqrt(max(len(pictures), 1)))
    rows = math.ceil(max(len(pictures), 1) / columns)
    sheet = Image.new("RGB", (columns * CELL, rows * CELL), "white")
    for place, picture in enumerate(pictures):
        image = load(picture)
        image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        row, column = divmod(place, columns)
        sheet.paste(
            image,
            (column * CELL + (CELL - image.width) // 2, row * CELL + (CELL - image.height) // 2),
        )
    encoded = io.BytesIO()
    sheet.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()
