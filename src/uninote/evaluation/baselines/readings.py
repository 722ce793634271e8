"""Given readings: the text of a picture as a part of its item, for baselines as for models that read."""

from __future__ import annotations

from uninote.items import Item, Ocr, Part, Picture


def with_given(item: Item) -> Item:
    """Return the item with each picture followed by its OCR text, unless the item holds that text already."""
    known = {part.of for part in item.parts if isinstance(part, Ocr)}
    parts: list[Part] = []
    for part in item.parts:
        parts.append(part)
        if isinstance(part, Picture) and part.digest not in known and part.ocr_text.strip():
            parts.append(Ocr(part.ocr_text, part.digest))
            known.add(part.digest)
    return Item(tuple(parts))
