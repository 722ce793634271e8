"""Modality dropout: some note queries with their pictures alone, so that texts cannot answer for them.

A title and a body tell so much of a note that a model can do without looking at its pictures. Where the texts
are gone, only the pictures are left to learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from uninote.items import Item
from uninote.tasks.definitions import Pair


def without_texts(pairs: Iterable[Pair], share: float, seed: int) -> list[Pair]:
    """The pairs, `share` of those whose query has pictures and texts with the query's pictures alone.

    Queries only: a positive without texts would stand out among whole notes by its form. Which pairs it meets
    is a hash of seed, task, note and picture, whatever other pairs there are.
    """

    def dropped(pair: Pair) -> Pair:
        mixed = pair.query.pictures and pair.query.texts
        return replace(pair, query=Item(pair.query.pictures)) if mixed and _lot(seed, pair) < share else pair

    return [dropped(pair) for pair in pairs]


def _lot(seed: int, pair: Pair) -> float:
    """In [0, 1), and independent of the lot that `tasks.pairs` draws pairs by."""
    drawn = hashlib.sha256(f"texts:{seed}:{pair.task}:{pair.note_id}:{pair.picture}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64
