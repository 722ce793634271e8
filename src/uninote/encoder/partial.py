"""Items with a picture that cannot be used: they are embedded by their other parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError, PartError
from uninote.items import Item, Picture

Rows = NDArray[np.float32]


def encode_partly(
    encode: Callable[..., Rows], items: Sequence[Item], failures: dict[int, ItemError], **options: Any
) -> Rows:
    """Return `encode(items)`: unit rows float32 [n, d].

    Args:
        encode: as `Encoder.encode`.
        failures: gets a PartError for each item that was embedded without some of its pictures, by position,
            and the error of each item of which nothing is left, whose row is NaN.
    """
    failed: dict[int, ItemError] = {}
    rows = encode(items, failures=failed, **options)
    failures |= failed
    several = {n: items[n] for n in failed if len(items[n].parts) > 1 and items[n].pictures}
    broken = _broken(encode, several.values(), **options) if several else {}
    rest: dict[int, tuple[Item, ItemError]] = {}
    for number, item in several.items():
        kept = [part for part in item.parts if not (isinstance(part, Picture) and part.digest in broken)]
        if 0 < len(kept) < len(item.parts):
            first = next(broken[one.digest] for one in item.pictures if one.digest in broken)
            rest[number] = Item.of(*kept), first
    if rest:
        again: dict[int, ItemError] = {}
        made = encode([item for item, _ in rest.values()], failures=again, **options)
        for place, (number, (_, why)) in enumerate(rest.items()):
            if place not in again:
                rows[number], failures[number] = made[place], PartError(str(why))
    return rows


def _broken(encode: Callable[..., Rows], items: Iterable[Item], **options: Any) -> dict[str, ItemError]:
    """Return the errors of the pictures that cannot be embedded on their own, by digest."""
    pictures = list({picture.digest: picture for item in items for picture in item.pictures}.values())
    failed: dict[int, ItemError] = {}
    encode([Item.of(picture) for picture in pictures], failures=failed, **options)
    return {pictures[n].digest: error for n, error in failed.items()}
