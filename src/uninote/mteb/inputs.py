"""Items of a batch of MTEB: its texts and pictures, a row each."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image

from uninote.corpus.rgb import to_rgb
from uninote.errors import ItemError, reason_of
from uninote.items import Item, Picture
from uninote.mteb.parts import COLUMN, from_json


def items_of(
    batch: Mapping[str, Sequence[Any]], bytes_of: Callable[[str], bytes] | None = None
) -> list[Item | ItemError]:
    """Return the item of each row, or the error of a row that has neither text nor picture.

    An item has the text of its row, then its picture; a list of pictures gives all of them.

    Args:
        bytes_of: returns the encoded picture of a digest. With it, rows of a data set of UniNote become
            their whole items (`parts.COLUMN`).

    Raises ItemError when the batch has neither texts nor pictures.
    """
    if bytes_of is not None and COLUMN in batch:
        return [from_json(parts, bytes_of) for parts in batch[COLUMN]]
    columns = [batch[name] for name in ("text", "image") if name in batch]
    if not columns:
        raise ItemError(f"only texts and pictures can be embedded: the batch has {', '.join(batch)}")
    return [_item(row) for row in zip(*columns, strict=True)]


def _item(row: Sequence[Any]) -> Item | ItemError:
    cells = [cell for value in row for cell in (value if isinstance(value, list) else [value])]
    try:
        return Item.of(
            *(cell if isinstance(cell, str) else _picture(cell) for cell in cells if cell is not None)
        )
    except ItemError as error:
        return error


def _picture(image: Image.Image) -> Picture:
    """Return the picture as PNG, which keeps its pixels. Raises ItemError if they cannot be decoded."""
    encoded = io.BytesIO()
    try:
        to_rgb(image).save(encoded, "PNG", compress_level=1)
    except Exception as error:  # it is decoded here; on crafted bytes decoders raise errors of any type
        raise ItemError(f"its picture cannot be decoded: {reason_of(error)}") from error
    return Picture.from_bytes(encoded.getvalue())
