"""Reading of items: the texts in their pictures become parts of the item, before it is cut into elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from uninote.encoder.compact.settings import Read
from uninote.errors import ItemError, PictureError
from uninote.items import Item, Picture, with_readings

Lines = Mapping[str, tuple[str, ...] | PictureError]


def read_items(
    items: Sequence[Item], read: Read, lines_of: Callable[[Sequence[Picture]], Lines]
) -> list[Item | ItemError]:
    """Return the items with the texts of their pictures; the error in place of one that cannot be read.

    Args:
        read: `all`: `lines_of` reads the pictures whose text the item does not bring; `given`: only what it
            brings; `none`: pictures stay pixels, and only texts that are parts of the item count.
        lines_of: returns the lines of distinct pictures by digest.
    """
    if read == "none":
        return list(items)
    unread = {p.digest: p for item in items for p in item.unread} if read == "all" else {}
    lines = lines_of(list(unread.values())) if unread else {}
    found: list[Item | ItemError] = []
    for item in items:
        errors = [lines[p.digest] for p in item.pictures if isinstance(lines.get(p.digest), PictureError)]
        if errors:
            found.append(ItemError(str(errors[0])))
            continue
        found.append(with_readings(item, partial(_lines, lines)))
    return found


def _lines(lines: Lines, picture: Picture) -> tuple[str, ...] | None:
    found = lines.get(picture.digest)
    return None if isinstance(found, PictureError) else found
