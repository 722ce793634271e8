"""Near noise of stage 2: the training items that a query's ranking is hardest to keep apart from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np

from uninote.encoder import Encoder
from uninote.encoder.bad_rows import lenient
from uninote.items import Item
from uninote.tasks.halves import Halves

NEAREST = 32
"""Items that the near noise of a query is drawn from."""
AT_ONCE = 2**24
"""Most cosines that are compared at once: some 200 MB."""


def digests(item: Item) -> frozenset[str]:
    """Return the digests of the item's pictures."""
    return frozenset(picture.digest for picture in item.pictures)


def near_noise(encoder: Encoder, halves: Sequence[Halves], noise: Sequence[Item]) -> list[list[Item]]:
    """Return, for each query, the `NEAREST` noise items by cosine that are no part of its note or related.

    They share no picture with the note, and are not neutral to the query.

    The encoder is that of stage 1, before it is trained further. In a random batch nine of ten lists are in
    the right order already; among near items half of them are.
    """
    gallery, failures = lenient(encoder.encode, noise)
    noise = [item for number, item in enumerate(noise) if number not in failures]
    gallery = np.delete(gallery, list(failures), axis=0).T
    seen = [digests(item) for item in noise]
    rows = max(1, AT_ONCE // max(1, len(noise)))
    found: list[list[Item]] = [[] for _ in halves]
    for task in dict.fromkeys(half.task for half in halves):
        places = [place for place, half in enumerate(halves) if half.task is task]
        queries, _ = lenient(encoder.encode, [halves[place].query for place in places], task=task)
        orders = (
            order
            for start in range(0, len(places), rows)
            for order in np.argsort(-(queries[start : start + rows] @ gallery), axis=1, kind="stable")
        )
        for place, order in zip(places, orders, strict=True):
            half = halves[place]
            own = digests(half.query) | digests(half.relevant[0])
            near = (
                noise[number]
                for number in order
                if own.isdisjoint(seen[number]) and noise[number].key not in half.neutral
            )
            found[place] = list(islice(near, NEAREST))
    return found
