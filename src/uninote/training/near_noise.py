"""Near noise of stage 2: the training items that a query's ranking is hardest to keep apart from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from uninote.encoder import Encoder
from uninote.encoder.partial import encode_partly, lost
from uninote.items import Item
from uninote.tasks.content import Answers, same_words
from uninote.tasks.halves import Halves

NEAREST = 32
"""Items that the near noise of a query is drawn from."""
AT_ONCE = 2**24
"""Most cosines that are compared at once: some 200 MB."""


def digests(item: Item) -> frozenset[str]:
    """Return the digests of the item's pictures."""
    return frozenset(picture.digest for picture in item.pictures)


class Foreign:
    """Noise items of a query's ranking: those that have nothing of it.

    They share no picture with its note, do not consist of the texts of its halves, do not answer it by
    content, and are not neutral to it.
    """

    def __init__(self, items: Sequence[Item]) -> None:
        self.items, self._answers = items, Answers(items)
        self._pictures = [digests(item) for item in items]

    def to(self, half: Halves) -> Callable[[int], bool]:
        """Return whether an item, by its number, is noise to a query."""
        own = digests(half.query) | digests(half.relevant[0])
        answers = self._answers.of(half.query, half.relevant[:1], half.task)
        ends = (half.query, half.relevant[-1]) if half.nested else ()

        def foreign(number: int) -> bool:
            item = self.items[number]
            return (
                number not in answers
                and own.isdisjoint(self._pictures[number])
                and item.key not in half.neutral
                and not same_words(item, ends)
            )

        return foreign


def near_noise(encoder: Encoder, halves: Sequence[Halves], noise: Sequence[Item]) -> list[list[Item]]:
    """Return, for each query, the `NEAREST` noise items by cosine that are `Foreign` to it.

    The encoder is that of stage 1, before it is trained further. In a random batch nine of ten lists are in
    the right order already; among near items half of them are.
    """
    gallery, failures = encode_partly(encoder.encode, noise)
    unusable = lost(failures)
    noise = [item for number, item in enumerate(noise) if number not in unusable]
    gallery = np.delete(gallery, list(unusable), axis=0).T
    foreign = Foreign(noise)
    rows = max(1, AT_ONCE // max(1, len(noise)))
    found: list[list[Item]] = [[] for _ in halves]
    for task in dict.fromkeys(half.task for half in halves):
        places = [place for place, half in enumerate(halves) if half.task is task]
        queries, _ = encode_partly(encoder.encode, [halves[place].query for place in places], task=task)
        orders = (
            order
            for start in range(0, len(places), rows)
            for order in np.argsort(-(queries[start : start + rows] @ gallery), axis=1, kind="stable")
        )
        for place, order in zip(places, orders, strict=True):
            near = filter(foreign.to(halves[place]), order.tolist())
            found[place] = [noise[number] for number in islice(near, NEAREST)]
    return found
