"""Late fusion over element vectors, the common practice of platforms: one vector per picture and per text.

A dual tower (an image encoder and a text encoder in one space) embeds every element of a note separately. Two
items are compared by their best pair of elements, or by the mean, over the query's elements, of the best
match. Here one encoder embeds both kinds of elements, which favours the baseline: its towers are aligned.
An element is a picture, or a chunk of a text or of the text read in a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Literal

import numpy as np

from uninote.encoder.matryoshka import truncate_numpy
from uninote.evaluation.baselines.readings import with_given
from uninote.evaluation.protocols import ElementEncoder, Floats, Ids, Json
from uninote.evaluation.search import mask_excluded, top_of_scores
from uninote.evaluation.suite import TaskSuite, distinct
from uninote.evaluation.vectors import encoded
from uninote.items import Item, Note, Ocr, Part, Picture
from uninote.tasks.chunks import chunks

Elements = Callable[[Item], tuple[Item, ...]]
Fusion = Literal["max", "mean_max"]
FUSIONS: dict[Fusion, str] = {"max": "best pair", "mean_max": "mean of best"}
"""Fusions with the names that reports show."""
CHUNK = 64
"""Queries compared at once: bounds the matrix of element pairs."""


def all_elements(item: Item) -> tuple[Item, ...]:
    """Return each distinct element as an item of its own: pictures as pixels only, chunks of texts."""
    return distinct(element for part in with_given(item).parts for element in _elements_of(part))


def picture_elements(item: Item) -> tuple[Item, ...]:
    return distinct(element for picture in item.pictures for element in _elements_of(picture))


def text_elements(item: Item) -> tuple[Item, ...]:
    return distinct(element for text in with_given(item).texts for element in _elements_of(text))


def _elements_of(part: Part) -> list[Item]:
    if isinstance(part, Picture):
        return [Item((replace(part, ocr=()),))]  # "nothing written": a model that reads does not read it
    of = part.of if isinstance(part, Ocr) else None
    return [Item((chunk if of is None else Ocr(chunk, of),)) for chunk in chunks(part)]


class EncodedOnce:
    """Element encoder that encodes each distinct element once, for several rankers."""

    def __init__(self, encoder: ElementEncoder) -> None:
        self._encoder = encoder
        self._vectors: dict[str, Floats] = {}

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 `[n, d]` unit rows."""
        new = list({item.key: item for item in items if item.key not in self._vectors}.values())
        if new:
            self._vectors |= {e.key: row for e, row in zip(new, encoded(self._encoder, new), strict=True)}
        return np.stack([self._vectors[item.key] for item in items])


class LateFusion:
    """Ranker by the element vectors of one element encoder; every distinct element is encoded once.

    Args:
        fusion: `max`: best pair of elements, `max_{a in q, b in c} cos`; `mean_max`: mean over a of the
            max over b.
        kept: elements stored of a target, evenly spaced over its own; None for all.
        dim: first dimensions kept of every vector, brought to unit length; None for all.
        bytes_per_vector: storage of one element vector; None for float32 of the vectors' width.
    """

    def __init__(
        self,
        encoder: ElementEncoder,
        *,
        fusion: Fusion = "max",
        elements: Elements = all_elements,
        kept: int | None = None,
        dim: int | None = None,
        bytes_per_vector: int | None = None,
    ) -> None:
        self._encoder = encoder
        self._fusion = fusion
        self._elements = elements
        self._kept = kept
        self._dim = dim
        self._bytes_per_vector = bytes_per_vector
        self._of_item: dict[str, tuple[Item, ...]] = {}
        self._vectors: dict[str, Floats] = {}

    def rank(self, task: TaskSuite, k: int) -> Ids:
        """Return int64 `[q, k]`; items without elements are not retrieved and retrieve nothing (-1)."""
        queries = [self._of(query.item) for query in task.queries]
        targets = [self._stored(target) for target in task.targets]
        self.add([*(query.item for query in task.queries), *task.targets])
        ranked = [np.empty((0, k), dtype=np.int64)]
        for start in range(0, len(queries), CHUNK):
            scores = self._scores(queries[start : start + CHUNK], targets)
            mask_excluded(task, scores, start)
            ranked.append(top_of_scores(scores, k)[1])
        return np.concatenate(ranked)

    def blind_spot(self, task: TaskSuite) -> str:
        if not any(self._of(query.item) for query in task.queries):
            return "queries hold nothing this method can read"
        if not any(self._of(target) for target in task.targets):
            return "targets hold nothing this method can read"
        return ""

    def cost(self, notes: Sequence[Note]) -> Json:
        per_note = sum(len(self._stored(note.item())) for note in notes) / max(len(notes), 1)
        width = len(next(iter(self._vectors.values()), ()))
        size = 4 * width if self._bytes_per_vector is None else self._bytes_per_vector
        return {"bytes_per_note": per_note * size, "vectors_per_note": per_note, "dim": width}

    def add(self, items: Sequence[Item]) -> None:
        """Encode the elements of the items that were not encoded before."""
        elements = (element for item in items for element in self._of(item))
        new = list({e.key: e for e in elements if e.key not in self._vectors}.values())
        if new:
            vectors = encoded(self._encoder, new)
            if self._dim is not None:
                vectors = truncate_numpy(vectors, self._dim)
            self._vectors |= {item.key: vector for item, vector in zip(new, vectors, strict=True)}

    def _of(self, item: Item) -> tuple[Item, ...]:
        """Return the elements of an item, which is split once."""
        if item.key not in self._of_item:
            self._of_item[item.key] = self._elements(item)
        return self._of_item[item.key]

    def _stored(self, item: Item) -> tuple[Item, ...]:
        """Return the elements of a target that are stored."""
        elements = self._of(item)
        if self._kept is None or len(elements) <= self._kept:
            return elements
        return tuple(elements[n * len(elements) // self._kept] for n in range(self._kept))

    def _scores(self, queries: Sequence[tuple[Item, ...]], targets: Sequence[tuple[Item, ...]]) -> Floats:
        """Compute float32 `[q, t]`, -inf if either side has no elements."""
        scores = np.full((len(queries), len(targets)), -np.inf, dtype=np.float32)
        rows = [i for i, elements in enumerate(queries) if elements]
        columns = [i for i, elements in enumerate(targets) if elements]
        if not rows or not columns:
            return scores
        ours, starts = self._stack([queries[i] for i in rows])
        theirs, bounds = self._stack([targets[i] for i in columns])
        best = np.maximum.reduceat(ours @ theirs.T, bounds, axis=1)
        if self._fusion == "max":
            fused = np.maximum.reduceat(best, starts, axis=0)
        else:
            counts = np.array([len(queries[i]) for i in rows], dtype=np.float32)
            fused = np.add.reduceat(best, starts, axis=0) / counts[:, None]
        scores[np.ix_(rows, columns)] = fused
        return scores

    def _stack(self, groups: Sequence[tuple[Item, ...]]) -> tuple[Floats, list[int]]:
        """Stack the element vectors of all groups; return them and the start of each group."""
        starts = list(accumulate((len(group) for group in groups[:-1]), initial=0))
        return np.stack([self._vectors[e.key] for group in groups for e in group]), starts
