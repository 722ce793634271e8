"""Reading of items: the texts in their pictures become parts of the item, before it is cut into elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from uninote.encoder.compact.settings import Read
from uninote.errors import ItemError, PictureError
from uninote.items import Item, Picture, with_lines

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
    return with_lines(items, lines)
