"""Leave-one-out attribution: the contribution of each picture and sentence to the similarity of two items.

For items a and b with vectors e(a) and e(b), s(a, b) = cos(e(a), e(b)). The contribution of a piece p of a is

    c(p) = s(a, b) - s(a without p, b)

with b whole. The contribution of a piece of b is defined likewise, with a whole.

* "Without" means that the item is encoded again as if the piece did not exist. Removing a picture keeps its
  OCR text, which is a piece of its own. If a text is longer than the encoder reads, later text moves into its
  window.
* Removing the only piece of an item leaves nothing to compare, so its contribution is all of s.
* Contributions may be negative and need not add up to s. If two pieces say the same, each contributes little,
  because the other one stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uninote.attribution.pieces import MOST, Piece, pieces_of, without
from uninote.items import Item
from uninote.tasks.definitions import Task


@dataclass(frozen=True)
class Contribution:
    """A piece with `value` = similarity of the whole items minus `left`, the similarity without it."""

    piece: Piece
    value: float
    left: float


@dataclass(frozen=True)
class Explanation:
    """The cosine of two items and the contributions of their pieces, in the order of the items."""

    score: float
    query: tuple[Contribution, ...]
    target: tuple[Contribution, ...]


@dataclass(frozen=True)
class Cuts:
    """The items to encode for explaining one side.

    items: the whole item, then the item without each piece, unless that piece was the whole item.
    rows: for each piece the index in `items` of the item without it; None if the piece was the whole item.
    """

    pieces: tuple[Piece, ...]
    items: tuple[Item, ...]
    rows: tuple[int | None, ...]

    @classmethod
    def of(cls, item: Item, most: int = MOST) -> Cuts:
        """Return the cuts of an item into at most `most` pieces (see `pieces_of`)."""
        pieces = pieces_of(item, most)
        items: list[Item] = [item]
        rows: list[int | None] = []
        for piece in pieces:
            left = without(item, piece)
            rows.append(None if left is None else len(items))
            items += [] if left is None else [left]
        return cls(pieces, tuple(items), tuple(rows))


def leave_one_out(vectors: ArrayLike, other: ArrayLike) -> tuple[float, NDArray[np.float64]]:
    """Return the similarity of the whole item and its similarities without each piece.

    vectors: unit rows [1 + n, d], the whole item first. other: the unit vector [d] of the other item.
    Returns the cosine s and float64 [n], cosines `left`: the contribution of piece i is `s - left[i]`.
    """
    scores = np.asarray(vectors, np.float64) @ np.asarray(other, np.float64)
    return float(scores[0]), scores[1:]


def contributions(query: Cuts, query_rows: ArrayLike, target: Cuts, target_rows: ArrayLike) -> Explanation:
    """Return the explanation from the vectors of `Cuts.items` of both sides: unit rows [len(items), d]."""
    query_vectors, target_vectors = np.asarray(query_rows), np.asarray(target_rows)
    score, left = leave_one_out(query_vectors, target_vectors[0])
    _, right = leave_one_out(target_vectors, query_vectors[0])
    return Explanation(score, _valued(query, score, left), _valued(target, score, right))


class Encodes(Protocol):
    """Interface of `uninote.Encoder` that `explain` needs."""

    def encode(self, items: Sequence[Item], *, task: Task | None = None) -> NDArray[np.float32]: ...


def explain(
    encoder: Encodes, query: Item, target: Item, *, task: Task | None = None, most: int = MOST
) -> Explanation:
    """Explain why `target` is similar to `query`, by any encoder: 2 + n items are encoded for n pieces.

    task: the task whose instruction the query was searched with, None for no instruction. most: pieces of one
    side; a longer text is cut into passages of several sentences. Raises ItemError when an item cannot be
    read.
    """
    first, second = Cuts.of(query, most), Cuts.of(target, most)
    if task is None:  # one call, so that equal items and pictures are encoded once
        rows = encoder.encode([*first.items, *second.items])
        return contributions(first, rows[: len(first.items)], second, rows[len(first.items) :])
    return contributions(first, encoder.encode(first.items, task=task), second, encoder.encode(second.items))


def _valued(cuts: Cuts, score: float, left: NDArray[np.float64]) -> tuple[Contribution, ...]:
    rest = [0.0 if row is None else float(left[row - 1]) for row in cuts.rows]
    return tuple(Contribution(piece, score - one, one) for piece, one in zip(cuts.pieces, rest, strict=True))
