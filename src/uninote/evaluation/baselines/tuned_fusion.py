"""Tuned late fusion: weights of pictures and texts on both sides, tuned on validation notes.

    s(q, c) = Σ_ab w_a w'_b f_ab(q, c) / Σ_ab w_a w'_b,   a, b in {picture, text}

over the kinds that both items have; `f_ab` compares the elements of kind a in q with those of kind b in c as
`LateFusion` does. Weights and fusion are chosen per task, as a platform tunes each of its uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from uninote.evaluation.baselines.late_fusion import (
    CHUNK,
    Elements,
    Fusion,
    LateFusion,
    all_elements,
    picture_elements,
)
from uninote.evaluation.headline import first_metric
from uninote.evaluation.protocols import ElementEncoder, Floats, Ids
from uninote.evaluation.scoring import per_query
from uninote.evaluation.search import mask_excluded, top_of_scores
from uninote.evaluation.suite import Suite, TaskSuite, distinct
from uninote.items import Item

FUSIONS: tuple[Fusion, ...] = ("max", "mean_max")
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


class Choice(NamedTuple):
    """Fusion of one task and the weights of pictures in queries and in targets; texts have the rest.

    None for both weights: all elements in one pool whatever their kind, as in untuned late fusion.
    """

    fusion: Fusion = "mean_max"
    in_query: float | None = None
    in_target: float | None = None


CHOICES = [Choice(fusion) for fusion in FUSIONS] + [
    Choice(fusion, *shares) for fusion, *shares in product(FUSIONS, SHARES, SHARES)
]


def text_elements(item: Item) -> tuple[Item, ...]:
    """Return each distinct text as an item of its own."""
    return distinct(Item((text,)) for text in item.texts)


class TunedFusion(LateFusion):
    """Late fusion with weights chosen by `tune`; tasks it was not tuned for use untuned late fusion.

    Attributes:
        choices: by task name.
    """

    def __init__(
        self,
        encoder: ElementEncoder,
        choices: Mapping[str, Choice] | None = None,
        *,
        elements: Elements = all_elements,
        bytes_per_vector: int | None = None,
    ) -> None:
        super().__init__(encoder, elements=elements, bytes_per_vector=bytes_per_vector)
        self.choices = dict(choices or {})

    def tune(self, validation: Suite) -> dict[str, Choice]:
        """Choose weights and fusion for every task of the suite, and return them by task name.

        The best choice has the highest first metric of the task, then the highest recall@10. Of equal ones
        the first wins, untuned fusion before all others.
        """
        for task in validation.all_tasks:
            found = {choice: _quality(task, self._ranked(task, 10, choice)) for choice in self._sensible()}
            self.choices[task.name] = max(found, key=found.__getitem__)
        return self.choices

    def rank(self, task: TaskSuite, k: int) -> Ids:
        return self._ranked(task, k, self.choices.get(task.name, Choice()))

    def _sensible(self) -> list[Choice]:
        """Return all choices, or only the untuned fusions if there is one kind of element only."""
        return CHOICES if self._elements is all_elements else CHOICES[: len(FUSIONS)]

    def _ranked(self, task: TaskSuite, k: int, choice: Choice) -> Ids:
        queries, targets = [query.item for query in task.queries], list(task.targets)
        self.add([*queries, *targets])
        ranked = [np.empty((0, k), dtype=np.int64)]
        for start in range(0, len(queries), CHUNK):
            scores = self._fused(queries[start : start + CHUNK], targets, choice)
            mask_excluded(task, scores, start)
            ranked.append(top_of_scores(scores, k)[1])
        return np.concatenate(ranked)

    def _fused(self, queries: Sequence[Item], targets: Sequence[Item], choice: Choice) -> Floats:
        self._fusion = choice.fusion
        if choice.in_query is None or choice.in_target is None:
            return self._scores([self._elements(q) for q in queries], [self._elements(t) for t in targets])
        total = np.zeros((len(queries), len(targets)), dtype=np.float32)
        weight = np.zeros_like(total)
        kinds = (picture_elements, text_elements)
        ours, theirs = ((share, 1 - share) for share in (choice.in_query, choice.in_target))
        for (left, a), (right, b) in product(zip(kinds, ours, strict=True), zip(kinds, theirs, strict=True)):
            if a * b > 0:
                scores = self._scores([left(q) for q in queries], [right(t) for t in targets])
                known = np.isfinite(scores)
                total += np.where(known, a * b * scores, 0)
                weight += a * b * known
        return np.where(weight > 0, total / np.maximum(weight, 1e-9), -np.inf).astype(np.float32)


def _quality(task: TaskSuite, ids: Ids) -> tuple[float, float]:
    values = per_query(task, ids, (1, 10))
    return float(values[first_metric(task.name)].mean()), float(values["recall@10"].mean())
