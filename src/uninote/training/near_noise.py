"""Near noise of stage 2: the training items that a query's ranking is hardest to keep apart from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from uninote.encoder import Encoder
from uninote.items import Item
from uninote.tasks.halves import Halves

NEAREST = 32
"""Items that the near noise of a query is drawn from."""


def digests(item: Item) -> frozenset[str]:
    """Return the digests of the item's pictures."""
    return frozenset(picture.digest for picture in item.pictures)


def near_noise(encoder: Encoder, halves: Sequence[Halves], noise: Sequence[Item]) -> list[list[Item]]:
    """Return, for each query, the `NEAREST` noise items by cosine that share no picture with its note.

    The encoder is that of stage 1, before it is trained further. In a random batch nine of ten lists are in
    the right order already; among near items half of them are.
    """
    gallery = encoder.encode(noise).T
    seen = [digests(item) for item in noise]
    found: list[list[Item]] = [[] for _ in halves]
    for task in dict.fromkeys(half.task for half in halves):
        places = [place for place, half in enumerate(halves) if half.task is task]
        queries = encoder.encode([halves[place].query for place in places], task=task)
        for place, order in zip(places, np.argsort(-(queries @ gallery), axis=1, kind="stable"), strict=True):
            own = digests(halves[place].query) | digests(halves[place].relevant[0])
            near = (number for number in order if own.isdisjoint(seen[number]))
            found[place] = [noise[number] for number in islice(near, NEAREST)]
    return found
