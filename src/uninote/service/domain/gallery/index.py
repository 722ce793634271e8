"""Exact in-memory index of one model's gallery: finds every sample at or above its category's threshold.

Comparing a note with 100,000 samples reads 200 MB, and most of it can be skipped. The vectors are rotated
into an orthogonal basis whose first components hold most of their length. A score is at most the inner
product of the first components plus the product of the lengths of the remaining ones (Cauchy-Schwarz). One
small matrix product computes this bound for all samples. Only samples whose bound reaches the threshold are
compared in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from uninote.service.domain.base.vectors import Float16, Matrix, exact_scores, normalised

PREFIX = 32
BASIS_ROWS = 20_000  # rows that the basis is fitted on: any orthogonal basis is exact, a fitted one is faster
SLACK = 2e-4  # far above the rounding error of float32 sums; closer scores are compared in 64 bits
BATCH = 32  # queries of one matrix product: limits the memory to 13 MB per 100,000 samples
FEW = 4  # fewer queries are faster one by one
DENSE = 0.2  # above this fraction of rows, one large product is faster than gathering the rows

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class ReachedSample:
    """A sample whose threshold a vector reaches."""

    sample_id: int
    category: str
    score: float
    threshold: float
    allow: bool


@dataclass(frozen=True, eq=False)
class Rotated:
    """Vectors rotated into an orthogonal basis, to which new vectors can be added without a new rotation.

    ids: int64 [n] ascending. stored: float16 [n, d], the vectors. basis: float32 [d, d]. rows: float32
    [n, d], the vectors in the basis, scaled to length 1. bounds: float32 [prefix + 1, n], first components
    and length of the remaining ones. Each row of `bounds` is contiguous: a product with few queries is then
    five times as fast.
    """

    ids: Ids
    stored: Float16
    basis: Matrix
    rows: Matrix
    bounds: Matrix

    @classmethod
    def of(cls, ids: Ids, vectors: Matrix) -> Rotated:
        """Build from ids int64 [n], ascending, and vectors float32 [n, d] that float16 holds exactly."""
        basis = _basis(vectors)
        rows = np.ascontiguousarray(normalised(vectors) @ basis)
        return cls(ids, vectors.astype(np.float16), basis, rows, _bounds(rows))

    def updated(self, keep: Ids, new_ids: Ids, vectors: Matrix) -> Rotated:
        """Return a copy with the rows of `keep`, a subset of `ids`, and new ones, none of them in `ids`."""
        ids = np.concatenate([keep, new_ids])
        order = np.argsort(ids, kind="stable")
        kept = np.searchsorted(self.ids, keep)
        stored = np.concatenate([self.stored[kept], vectors.astype(np.float16)])
        if len(ids) > 2 * len(self.ids):  # most vectors are new to the basis: fit another one
            return Rotated.of(ids[order], stored[order].astype(np.float32))
        fresh = normalised(vectors) @ self.basis
        rows = np.concatenate([self.rows[kept], fresh])
        bounds = np.concatenate([self.bounds.take(kept, axis=1), _bounds(fresh)], axis=1)
        if (order[1:] > order[:-1]).all():  # new samples have higher ids, unless transactions overlapped
            return Rotated(ids, stored, self.basis, rows, bounds)
        return Rotated(ids[order], stored[order], self.basis, rows[order], bounds.take(order, axis=1))


@dataclass(frozen=True, eq=False)
class GalleryIndex:
    """Samples of one model with their categories and thresholds.

    names: the categories. places: int32 [n], the category of each row of `vectors`. thresholds: float64 [n],
    infinite where the sample is disabled or its category has no threshold. allow: bool [n].
    """

    vectors: Rotated
    names: tuple[str, ...]
    places: NDArray[np.int32]
    thresholds: NDArray[np.float64]
    allow: NDArray[np.bool_]

    @cached_property
    def _floor(self) -> Matrix:
        return np.subtract(self.thresholds, SLACK, dtype=np.float64).astype(np.float32)

    def match(
        self, queries: Matrix, categories: Sequence[frozenset[str] | None]
    ) -> list[list[ReachedSample]]:
        """Return per query the samples it reaches, best first, of the categories given for it (None: all).

        queries: float32 [q, d], as `float16_units` makes them.
        """
        results: list[list[ReachedSample]] = []
        rotated = normalised(queries) @ self.vectors.basis
        lengths = _shortened(rotated)
        step = BATCH if len(queries) >= FEW else 1
        for start in range(0, len(queries), step):
            bounds = lengths[start : start + step] @ self.vectors.bounds  # [step, n]
            for row, bound in enumerate(bounds, start):
                near = self._near(np.flatnonzero(bound >= self._floor), rotated[row])
                results.append(self._reached(near, queries[row], categories[row]))
        return results

    def _near(self, rows: Ids, query: Matrix) -> Ids:
        """Return the rows that reach their threshold up to rounding; `query` is in the basis."""
        if len(rows) > DENSE * len(self.vectors.rows):
            products = (self.vectors.rows @ query)[rows]
        else:
            products = self.vectors.rows[rows] @ query
        return rows[products >= self._floor[rows]]

    def _reached(self, rows: Ids, query: Matrix, wanted: frozenset[str] | None) -> list[ReachedSample]:
        if not len(rows):  # as with most notes
            return []
        scores = exact_scores(self.vectors.stored[rows], query)
        reached = scores >= self.thresholds[rows]
        found = [
            ReachedSample(
                int(self.vectors.ids[row]),
                self.names[self.places[row]],
                float(score),
                float(self.thresholds[row]),
                bool(self.allow[row]),
            )
            for row, score in zip(rows[reached], scores[reached], strict=True)
            if wanted is None or self.names[self.places[row]] in wanted
        ]
        return sorted(found, key=lambda sample: (-sample.score, sample.sample_id))


def _basis(vectors: Matrix) -> Matrix:
    """Return an orthogonal basis [d, d] whose first directions hold most of the rows' length."""
    dim = vectors.shape[1]
    if len(vectors) <= dim or dim <= PREFIX:
        return np.eye(dim, dtype=np.float32)
    step = max(1, len(vectors) // BASIS_ROWS)
    rows = vectors[::step].astype(np.float32)
    _, basis = np.linalg.eigh((rows.T @ rows).astype(np.float64))
    return np.ascontiguousarray(basis[:, ::-1]).astype(np.float32)


def _shortened(rows: Matrix) -> Matrix:
    """Return the first components and the length of the remaining ones: [n, prefix + 1]."""
    return np.hstack([rows[:, :PREFIX], np.linalg.norm(rows[:, PREFIX:], axis=1, keepdims=True)])


def _bounds(rows: Matrix) -> Matrix:
    """Return `_shortened` transposed and contiguous: [prefix + 1, n]."""
    return np.ascontiguousarray(_shortened(rows).T)
