"""Partial failures: items with a bad picture are embedded by their other parts; lost items have zero rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError, PartError
from uninote.items import Item, Picture

Rows = NDArray[np.float32]


def encode_partly(
    encode: Callable[..., Rows], items: Sequence[Item], **options: Any
) -> tuple[Rows, dict[int, ItemError]]:
    """Return `encode(items)`, unit rows float32 [n, d], and the errors by position.

    An item that was embedded without some of its pictures has a PartError. Any other error is that of an
    item of which nothing is left, whose row is zero.

    Args:
        encode: as `Encoder.encode`. Errors of one that takes no `failures` are raised.
    """
    failures: dict[int, ItemError] = {}
    if "failures" not in signature(encode).parameters:
        return encode(items, **options), failures
    rows = encode(items, failures=failures, **options)
    rows[list(failures)] = 0
    several = {n: items[n] for n in failures if len(items[n].parts) > 1 and items[n].pictures}
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
    return rows, failures


def lost(failures: dict[int, ItemError]) -> dict[int, ItemError]:
    """Return the errors of the items that could not be embedded at all."""
    return {n: error for n, error in failures.items() if not isinstance(error, PartError)}


def _broken(encode: Callable[..., Rows], items: Iterable[Item], **options: Any) -> dict[str, ItemError]:
    """Return the errors of the pictures that cannot be embedded on their own, by digest."""
    pictures = list({picture.digest: picture for item in items for picture in item.pictures}.values())
    failed: dict[int, ItemError] = {}
    encode([Item.of(picture) for picture in pictures], failures=failed, **options)
    return {pictures[n].digest: error for n, error in failed.items()}
