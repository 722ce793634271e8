"""One interface for everything that ranks a task's targets without being a trained stage."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Protocol

from uninote.evaluation.protocols import Ids, Json
from uninote.evaluation.scoring import per_query, summary
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.items import Note


class Ranker(Protocol):
    def rank(self, task: TaskSuite, k: int) -> Ids:
        """int64 `[q, k]`: positions in `task.targets`, best first, -1 where nothing is retrieved."""
        ...

    def blind_spot(self, task: TaskSuite) -> str:
        """Why this ranker cannot do the task at all, or an empty string when it can."""
        ...

    def cost(self, notes: Sequence[Note]) -> Json:
        """`bytes_per_note` and `vectors_per_note` that a corpus of such notes takes."""
        ...


def evaluate_baseline(
    ranker: Ranker, suite: Suite, *, ks: Sequence[int] = (1, 5, 10), bootstrap: int = 1000, seed: int = 0
) -> Json:
    """One baseline of the report: `tasks`, `extra`, `cost`, `timing_s`.

    A task the ranker is blind to scores 0 with the reason as `note`: retrieving nothing is what it does.
    """
    ks = sorted({1, *ks})
    started = perf_counter()
    result: Json = {"tasks": {}, "extra": {}}
    extra = {task.name for task in suite.extra}
    for task in suite.all_tasks:
        entry = summary(task, per_query(task, ranker.rank(task, max(ks)), ks), bootstrap, seed)
        if note := ranker.blind_spot(task):
            entry["note"] = note
        result["extra" if task.name in extra else "tasks"][task.name] = entry
    return result | {"cost": ranker.cost(suite.notes), "timing_s": {"total": perf_counter() - started}}
