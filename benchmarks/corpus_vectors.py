"""Synthetic embeddings in any number: clustered vectors with a spectrum that decays.

No set of a million note embeddings is available without a network, so the corpus is drawn: topics, groups in
topics and items in groups, each level Gaussian with standard deviations that fall as a power of the
dimension, group sizes by Zipf's law. The first dimensions hold most of the length, as in a Matryoshka model.
Items come in chunks that depend only on the seed and their number, so a corpus need not fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHUNK = 10_000
DECAY = 0.35  # standard deviation of dimension j falls as (j + 1) ** -DECAY
ZIPF = 0.7  # the n-th largest group has a share of n ** -ZIPF
TOPICS, GROUP_ROWS = 500, 50  # topics in all; items of a group on the average
GROUP_SPREAD, ITEM_SPREAD = 0.7, 0.6  # of groups in a topic and of items in a group, topics being 1

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Corpus:
    """`rows` unit vectors of `dim` components; queries are further items that are not stored."""

    rows: int
    dim: int
    seed: int = 0

    def chunks(self) -> Iterator[tuple[int, Rows]]:
        """Yield the number of the first row and float32 [up to CHUNK, dim], chunk after chunk."""
        world = _World(self)
        for start in range(0, self.rows, CHUNK):
            yield start, world.draw(1 + start // CHUNK, min(CHUNK, self.rows - start))

    def queries(self, count: int) -> Rows:
        """Draw queries, float32 [count, dim]."""
        return _World(self).draw(0, count)


class _World:
    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        draw = np.random.default_rng([corpus.seed, 1])
        self._scale = (np.arange(1, corpus.dim + 1, dtype=np.float32)) ** np.float32(-DECAY)
        groups = max(1, corpus.rows // GROUP_ROWS)
        topics = draw.standard_normal((TOPICS, corpus.dim), np.float32)
        offsets = draw.standard_normal((groups, corpus.dim), np.float32)
        offsets *= GROUP_SPREAD
        self._centres = topics[draw.integers(TOPICS, size=groups)]
        self._centres += offsets
        shares = np.arange(1, groups + 1, dtype=np.float64) ** -ZIPF
        self._upto = np.cumsum(shares / shares.sum())

    def draw(self, part: int, count: int) -> Rows:
        draw = np.random.default_rng([self._corpus.seed, 2, part])
        places = np.searchsorted(self._upto, draw.random(count)).clip(max=len(self._upto) - 1)
        rows: Rows = draw.standard_normal((count, self._corpus.dim), np.float32) * np.float32(ITEM_SPREAD)
        rows += self._centres[places]
        rows *= self._scale
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows


def nearest(corpus: Corpus, queries: Rows, k: int) -> tuple[NDArray[np.int64], Rows]:
    """Find the k nearest rows of every query by brute force over rows in 16 bits: ids and scores [q, k]."""
    rounded = queries.astype(np.float16).astype(np.float32)
    ids = np.zeros((len(queries), 0), np.int64)
    scores = np.zeros((len(queries), 0), np.float32)
    for start, rows in corpus.chunks():
        products = rounded @ rows.astype(np.float16).astype(np.float32).T
        numbers = np.broadcast_to(np.arange(start, start + len(rows)), products.shape)
        ids, scores = np.hstack([ids, numbers]), np.hstack([scores, products])
        best = np.argpartition(-scores, min(k, scores.shape[1]) - 1, axis=1)[:, :k]
        ids, scores = np.take_along_axis(ids, best, 1), np.take_along_axis(scores, best, 1)
    order = np.argsort(-scores, axis=1)
    return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)
