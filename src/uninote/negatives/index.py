"""Reference index: vectors of the reference encoder φ, one per element, and the scores computed from them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from uninote.encoder.bad_rows import named
from uninote.encoder.partial import encode_partly, lost
from uninote.errors import ItemError, PictureError, VectorError
from uninote.items import Item
from uninote.negatives.maxsim import Composites, Floats, Ints, composite_maxsim

log = logging.getLogger(__name__)
_PAIRED_BLOCK = 256  # pairs scored at once by paired_scores


class ReferenceEncoder(Protocol):
    """Reference encoder φ of the soft labels and of hard-negative mining."""

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 [n, d], unit rows, in the order of `items`."""
        ...


@dataclass(frozen=True)
class ElementRows:
    """Items as runs of element rows: item k owns `rows[starts[k]:starts[k + 1]]`; int64 arrays."""

    rows: Ints
    starts: Ints

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, start: int, stop: int) -> ElementRows:
        """Return items `start` to `stop` (exclusive)."""
        first = self.starts[start]
        last = self.starts[stop] if stop < len(self) else len(self.rows)
        return ElementRows(self.rows[first:last], self.starts[start:stop] - first)


class ReferenceIndex:
    """Index for soft-label scores of any query item against any candidate item.

    An element is one part of an item (one picture or one text) as an item of its own; equal elements
    of different items are encoded once. An atomic item has one element, so its score is the plain cosine
    (Eq. 3); the score of a composite candidate is MaxSim over its elements (Eq. 4). The paper has no formula
    for a composite query (Note2I, Note2T); here the maximum is taken over the query's elements too:

        s(q, c) = max_{f ∈ q} max_{e ∈ c} cos(φ(f), φ(e))

    which is symmetric, so Note2I labels equal those of I2Note.
    """

    def __init__(self, items: Iterable[Item], reference: ReferenceEncoder, whole: bool = False) -> None:
        """Encode every distinct element of `items` in one call.

        `whole`: each item is one element, however many parts it has, so that every score is a plain cosine;
        for the ablation of Eq. 4.

        A picture that cannot be decoded is left out of its items. In `bad` are the items of which nothing is
        left, and those with another element that φ cannot embed.

        Raises VectorError when φ does not return one finite vector per element, ItemError when it embeds
        no element.
        """
        places: dict[str, int] = {}
        elements: list[Item] = []
        self._rows: dict[str, tuple[int, ...]] = {}
        for item in items:
            if item.key in self._rows:
                continue
            parts = [item] if whole else [Item((part,)) for part in item.parts]
            for part in parts:
                if part.key not in places:
                    places[part.key] = len(elements)
                    elements.append(part)
            self._rows[item.key] = tuple(places[part.key] for part in parts)
        vectors, failures = (
            encode_partly(reference.encode, elements) if elements else (np.zeros((0, 1), np.float32), {})
        )
        if failures and len(failures) == len(elements):
            raise named(elements, *min(failures.items()))
        for failure in failures.items():
            log.warning("left out of training: %s", named(elements, *failure))
        unusable = lost(failures)
        pictures = {n for n, error in unusable.items() if isinstance(error.__cause__, PictureError)}
        self._rows = {
            key: tuple(row for row in rows if row not in pictures) or rows for key, rows in self._rows.items()
        }
        self.bad = frozenset(key for key, rows in self._rows.items() if not unusable.keys().isdisjoint(rows))
        self.vectors: Floats = np.ascontiguousarray(vectors, dtype=np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(elements):
            raise VectorError(
                f"the reference encoder must return one vector per item: "
                f"got shape {self.vectors.shape} for {len(elements)} items"
            )
        if not np.isfinite(self.vectors).all():
            raise VectorError("the reference encoder returned a vector with NaN or infinity")

    def __contains__(self, item: Item) -> bool:
        return item.key in self._rows

    def elements(self, items: Sequence[Item]) -> ElementRows:
        """Return the element rows of `items`. Raises ItemError when an item was not indexed."""
        try:
            rows = [self._rows[item.key] for item in items]
        except KeyError as error:
            raise ItemError("the reference index does not hold this item: index every item first") from error
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        flat = np.fromiter((row for item in rows for row in item), dtype=np.int64, count=int(lengths.sum()))
        return ElementRows(flat, np.cumsum(lengths) - lengths)

    def composites(self, elements: ElementRows) -> Composites:
        """Return the vectors of items, each distinct element once."""
        distinct, places = np.unique(elements.rows, return_inverse=True)
        if len(distinct) == len(elements.rows):
            distinct, places = elements.rows, np.arange(len(elements.rows))
        return Composites(self.vectors[distinct], places, elements.starts)

    def scores(self, queries: Sequence[Item], candidates: Sequence[Item]) -> Floats:
        """Return s(q, c) of all queries and candidates: float32 [q, c], cosines in [-1, 1].

        Raises ItemError when an item was not indexed.
        """
        sides = (self.composites(self.elements(items)) for items in (queries, candidates))
        return composite_maxsim(*sides)

    def paired_scores(self, queries: Sequence[Item], candidates: Sequence[Item]) -> Floats:
        """Return s(q_k, c_k) for each k: float32 [n]. Raises ItemError when an item was not indexed."""
        blocks = [
            np.diagonal(
                self.scores(queries[start : start + _PAIRED_BLOCK], candidates[start : start + _PAIRED_BLOCK])
            )
            for start in range(0, len(queries), _PAIRED_BLOCK)
        ]
        return np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.float32)
