"""Tuned late fusion: weights of pictures and texts on both sides, tuned on validation notes.

    s(q, c) = Σ_ab w_a w'_b f_ab(q, c) / Σ_ab w_a w'_b,   a, b in {picture, text}

over the kinds that both items have; `f_ab` compares the elements of kind a in q with those of kind b in c as
`LateFusion` does. Weights and fusion are chosen per task, as a platform tunes each of its uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from uninote.evaluation.baselines.late_fusion import CHUNK, FUSIONS, Fusion, LateFusion, all_elements
from uninote.evaluation.headline import first_metric
from uninote.evaluation.protocols import ElementEncoder, Floats, Ids
from uninote.evaluation.scoring import per_query
from uninote.evaluation.search import mask_excluded, top_of_scores
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.evaluation.variants import changes_pool
from uninote.items import Item

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


class TunedFusion(LateFusion):
    """Late fusion with weights chosen by `tune`; tasks it was not tuned for use untuned late fusion.

    Attributes:
        choices: by task name.
    """

    def __init__(
        self, encoder: ElementEncoder, choices: Mapping[str, Choice] | None = None, **options: Any
    ) -> None:
        super().__init__(encoder, **options)
        self.choices = dict(choices or {})

    def tune(self, validation: Suite) -> float:
        """Choose weights and fusion for every task of the suite; return the mean of their first metrics.

        Tasks with other pools have the choice of their task.

        The best choice has the highest first metric of the task, then the highest recall@10. Of equal ones
        the first wins, untuned fusion before all others.
        """
        best = []
        for task in validation.all_tasks:
            if changes_pool(task.name):
                continue
            found = {choice: _quality(task, self._ranked(task, 10, choice)) for choice in self._sensible()}
            self.choices[task.name] = max(found, key=found.__getitem__)
            best.append(found[self.choices[task.name]][0])
        return float(np.mean(best))

    def rank(self, task: TaskSuite, k: int) -> Ids:
        name = task.instruction.value if changes_pool(task.name) else task.name
        return self._ranked(task, k, self.choices.get(name, Choice()))

    def _sensible(self) -> list[Choice]:
        """Return all choices, or only the untuned fusions if there is one kind of element only."""
        return CHOICES if self._elements is all_elements else CHOICES[: len(FUSIONS)]

    def scores(self, queries: Sequence[Item], targets: Sequence[Item], choice: Choice) -> Floats:
        """Compute float32 `[q, t]` as one choice says, -inf where it compares nothing."""
        self.add([*queries, *targets])
        fused = [np.empty((0, len(targets)), dtype=np.float32)]
        for start in range(0, len(queries), CHUNK):
            fused.append(self._fused(queries[start : start + CHUNK], targets, choice))
        return np.concatenate(fused)

    def every_choice(
        self, queries: Sequence[Item], targets: Sequence[Item]
    ) -> Iterator[tuple[Choice, Floats]]:
        """Yield the scores of every sensible choice; elements are compared once per fusion and kinds."""
        if self._sensible() != CHOICES:
            yield from ((choice, self.scores(queries, targets, choice)) for choice in self._sensible())
            return
        for fusion in FUSIONS:
            yield Choice(fusion), self.scores(queries, targets, Choice(fusion))
            parts = {
                (left, right): self.scores(queries, targets, Choice(fusion, float(left), float(right)))
                for left, right in product((True, False), repeat=2)
            }
            for in_query, in_target in product(SHARES, SHARES):
                weighed = [
                    (_share(in_query, left) * _share(in_target, right), part)
                    for (left, right), part in parts.items()
                ]
                yield Choice(fusion, in_query, in_target), weighted(weighed)

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
        ours, theirs = [self._of(query) for query in queries], [self._stored(target) for target in targets]
        if choice.in_query is None or choice.in_target is None:
            return self._scores(ours, theirs)
        parts = []
        for left, right in product((True, False), repeat=2):
            weight = _share(choice.in_query, left) * _share(choice.in_target, right)
            if weight > 0:
                parts.append((weight, self._scores(_of_kind(ours, left), _of_kind(theirs, right))))
        return weighted(parts)


def weighted(parts: Sequence[tuple[float, Floats]]) -> Floats:
    """Compute the weighted mean of scores `[q, t]` over those that are finite; -inf where none counts."""
    total = np.zeros_like(parts[0][1])
    weight = np.zeros_like(total)
    for share, scores in parts:
        known = np.isfinite(scores)
        total += share * np.where(known, scores, 0)
        weight += share * known
    return np.where(weight > 0, total / np.maximum(weight, 1e-9), -np.inf).astype(np.float32)


def _share(of_pictures: float, pictures: bool) -> float:
    return of_pictures if pictures else 1 - of_pictures


def _of_kind(groups: Sequence[tuple[Item, ...]], pictures: bool) -> list[tuple[Item, ...]]:
    """Return of each group of elements the pictures, or the texts."""
    return [tuple(element for element in group if bool(element.pictures) is pictures) for group in groups]


def _quality(task: TaskSuite, ids: Ids) -> tuple[float, float]:
    values = per_query(task, ids, (1, 10))
    return float(values[first_metric(task.name)].mean()), float(values["recall@10"].mean())
