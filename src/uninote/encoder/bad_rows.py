"""Bad rows of a model: vectors with NaN, infinite values or no direction; errors that name their items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError, item_error
from uninote.items import Item

NAME_CHARS = 40
Rows = NDArray[np.float32]


def bad_rows(rows: Rows) -> dict[int, ItemError]:
    """Return why a row of float [n, d] is no vector of an item, by its number; usable rows are left out."""
    finite, directed = np.isfinite(rows).all(axis=1), rows.any(axis=1)
    faults = {int(n): "NaN or infinite values" for n in np.flatnonzero(~finite)}
    faults |= {int(n): "no direction, all of it is zero" for n in np.flatnonzero(finite & ~directed)}
    return {
        n: ItemError(f"its vector has {fault}: leave the item out, or check the model's weights")
        for n, fault in faults.items()
    }


def named(items: Sequence[Item], number: int, error: ItemError) -> ItemError:
    """Return the error with the item's position in `items` and the beginning of its content."""
    item = items[number]
    texts = (" ".join(text.split()) for text in item.texts)
    title = next(filter(None, texts), f"pictures: {len(item.pictures)}")
    shown = title if len(title) <= NAME_CHARS else title[:NAME_CHARS] + "…"
    return item_error(error, f"item {number} ({shown}): {error}")
