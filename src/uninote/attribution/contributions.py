"""Why two items are similar: what each picture and each sentence contributes, by leaving it out.

For items a and b with vectors e(a) and e(b), s(a, b) = cos(e(a), e(b)). The contribution of a piece p of a is

    c(p) = s(a, b) - s(a without p, b)

with b whole, and that of a piece of b the same way around, with a whole. "Without" means that the item is
encoded again as if the piece had never been there: when a picture goes, the text that was read in it stays,
as a piece of its own, and in a text longer than the encoder reads, what comes after moves up. The only piece
of an item leaves nothing, which is similar to nothing: its contribution is all of s. Contributions may be
negative and need not add up to s; of two pieces that say the same, each alone contributes little, because the
other one stays.
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
    """The cosine of two items, and the contributions of the pieces of both, in the order of the items."""

    score: float
    query: tuple[Contribution, ...]
    target: tuple[Contribution, ...]


@dataclass(frozen=True)
class Cuts:
    """What has to be encoded to explain one side.

    items: the whole item, then the item without each piece, where something is left of it.
    rows: for each piece the place in `items` of what is left; None when nothing is.
    """

    pieces: tuple[Piece, ...]
    items: tuple[Item, ...]
    rows: tuple[int | None, ...]

    @classmethod
    def of(cls, item: Item, most: int = MOST) -> Cuts:
        """The cuts of an item into at most `most` pieces (see `pieces_of`)."""
        pieces = pieces_of(item, most)
        items: list[Item] = [item]
        rows: list[int | None] = []
        for piece in pieces:
            left = without(item, piece)
            rows.append(None if left is None else len(items))
            items += [] if left is None else [left]
        return cls(pieces, tuple(items), tuple(rows))


def leave_one_out(vectors: ArrayLike, other: ArrayLike) -> tuple[float, NDArray[np.float64]]:
    """The similarity of the whole, and what is left of it without each piece.

    vectors: unit rows [1 + n, d], the whole item first. other: the unit vector [d] of the other item.
    Gives the cosine and float64 [n]: the contribution of piece i is the first minus the second's i-th entry.
    """
    scores = np.asarray(vectors, np.float64) @ np.asarray(other, np.float64)
    return float(scores[0]), scores[1:]


def contributions(query: Cuts, query_rows: ArrayLike, target: Cuts, target_rows: ArrayLike) -> Explanation:
    """The explanation from the vectors of both sides' `Cuts.items`: unit rows [len(items), d]."""
    query_vectors, target_vectors = np.asarray(query_rows), np.asarray(target_rows)
    score, left = leave_one_out(query_vectors, target_vectors[0])
    _, right = leave_one_out(target_vectors, query_vectors[0])
    return Explanation(score, _valued(query, score, left), _valued(target, score, right))


class Encodes(Protocol):
    """What `explain` asks of `uninote.Encoder`."""

    def encode(self, items: Sequence[Item], *, task: Task | None = None) -> NDArray[np.float32]: ...


def explain(
    encoder: Encodes, query: Item, target: Item, *, task: Task | None = None, most: int = MOST
) -> Explanation:
    """Why `target` is similar to `query`, by any encoder: 2 + n items are encoded for n pieces.

    task: the instruction that the query was searched with, None for none. most: pieces of one side; beyond it
    sentences are taken together. Raises ItemError when an item cannot be read.
    """
    first, second = Cuts.of(query, most), Cuts.of(target, most)
    if task is None:  # in one go, so that equal items and pictures are encoded once
        rows = encoder.encode([*first.items, *second.items])
        return contributions(first, rows[: len(first.items)], second, rows[len(first.items) :])
    return contributions(first, encoder.encode(first.items, task=task), second, encoder.encode(second.items))


def _valued(cuts: Cuts, score: float, left: NDArray[np.float64]) -> tuple[Contribution, ...]:
    rest = [0.0 if row is None else float(left[row - 1]) for row in cuts.rows]
    return tuple(Contribution(piece, score - one, one) for piece, one in zip(cuts.pieces, rest, strict=True))
