"""JSON form of an item's parts: what the columns of one text and one picture cannot hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from uninote.items import Item, Moment, Ocr, Part, Picture

COLUMN = "uninote_parts"
"""Column of queries and corpus with the parts of each item."""
PICTURES = "pictures"
"""Configuration of the data set with all pictures, by digest."""


def to_json(item: Item) -> str:
    """Return the parts in their order as JSON; pictures by their digest, with their OCR lines."""
    return json.dumps([_record(part) for part in item.parts], ensure_ascii=False)


def from_json(text: str, bytes_of: Callable[[str], bytes]) -> Item:
    """Return the item of `to_json`. `bytes_of` returns the encoded picture of a digest."""
    return Item(tuple(_part(record, bytes_of) for record in json.loads(text)))


def _record(part: Part) -> dict[str, Any]:
    if isinstance(part, Picture):
        moment = {} if part.moment is None else {"moment": part.moment}
        return {"picture": part.digest, "ocr": part.ocr, "frame": part.frame, **moment}
    if isinstance(part, Ocr):
        return {"ocr": str(part), "of": part.of}
    return {"text": part}


def _part(record: dict[str, Any], bytes_of: Callable[[str], bytes]) -> Part:
    if "picture" in record:
        ocr = None if record["ocr"] is None else tuple(record["ocr"])
        moment = Moment(*record["moment"]) if "moment" in record else None
        return Picture(record["picture"], None, bytes_of(record["picture"]), "", ocr, record["frame"], moment)
    if "of" in record:
        return Ocr(record["ocr"], record["of"])
    text: str = record["text"]
    return text
