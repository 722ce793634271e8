"""Modality dropout: removes the texts of some note queries, so that the model must use their pictures.

Title and body identify a note so well that a model can ignore its pictures. Without the texts, only the
pictures are left to learn from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from uninote.items import Item
from uninote.tasks.definitions import Pair


def without_texts(pairs: Iterable[Pair], share: float, seed: int) -> list[Pair]:
    """Return the pairs, with the texts removed from the queries of a random `share` of them.

    Only queries with pictures and texts are changed. Positives keep their texts: without them a positive
    would stand out among whole notes by its form. Queries of related notes keep theirs, which do not identify
    another note. A hash of seed, task, note and picture decides about a
    pair, independent of the other pairs.
    """

    def dropped(pair: Pair) -> Pair:
        mixed = pair.query.pictures and pair.query.texts and not pair.neutral
        return replace(pair, query=Item(pair.query.pictures)) if mixed and _lot(seed, pair) < share else pair

    return [dropped(pair) for pair in pairs]


def _lot(seed: int, pair: Pair) -> float:
    """Return a hash of the pair in [0, 1), independent of the hash by which `tasks.pairs` draws pairs."""
    drawn = hashlib.sha256(f"texts:{seed}:{pair.task}:{pair.note_id}:{pair.picture}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64
