"""Ranker: the interface of all baselines, and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

from uninote.evaluation.headline import task_means
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import Ids, Json
from uninote.evaluation.scoring import depth, per_query, summary
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.items import Note


class Ranker(Protocol):
    def rank(self, task: TaskSuite, k: int) -> Ids:
        """Return int64 `[q, k]`: positions in `task.targets`, best first, -1 for no result."""
        ...

    def blind_spot(self, task: TaskSuite) -> str:
        """Return the reason why this ranker cannot do the task at all, or an empty string when it can."""
        ...

    def cost(self, notes: Sequence[Note]) -> Json:
        """Return `bytes_per_note` and `vectors_per_note` for a corpus of such notes."""
        ...


def evaluate_baseline(
    ranker: Ranker, suite: Suite, *, ks: Sequence[int] = (1, 5, 10), bootstrap: int = 1000, seed: int = 0
) -> Json:
    """Measure one baseline and return its entry of the report, as that of a stage: `tasks`, `extra`, `means`,
    `cost`, `timing_s`.

    A task that the ranker cannot do scores 0, since it retrieves nothing, with the reason as `note`.
    """
    ks = sorted({1, *ks})
    started = perf_counter()
    result: Json = {"tasks": {}, "extra": {}}
    measured: dict[str, dict[str, Values]] = {}
    extra = {task.name for task in suite.extra}
    for task in suite.all_tasks:
        values = measured[task.name] = per_query(task, ranker.rank(task, depth(task, ks)), ks)
        entry = summary(task, values, bootstrap, seed)
        if note := ranker.blind_spot(task):
            entry["note"] = note
        result["extra" if task.name in extra else "tasks"][task.name] = entry
    return result | {
        "means": task_means(measured, bootstrap, seed),
        "cost": ranker.cost(suite.notes),
        "timing_s": {"total": perf_counter() - started},
    }
