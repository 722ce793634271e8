"""Metrics by name, read from the result of one run: a stage of the report, see `evaluation.evaluate`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from uninote.evaluation.headline import MEANS, first_metric, mean_recall
from uninote.evaluation.protocols import Json
from uninote.evaluation.variants import TOLD_APART, VARIANTS
from uninote.tasks.definitions import META_TASKS, SINGLE_TARGET, TWIN_TASKS, Task, in_words
from uninote.tasks.related import RELATIONS

SUMMED = {name.removeprefix(f"{in_words(TWIN_TASKS)}, ").replace(",", ""): name for name in MEANS}
"""Name of the mean in a report by the name of its metric: `five near misses`, `twins`."""

WORST = "worst task"

Metric = Callable[[Json], float]


def metric_of(name: str) -> Metric:
    """Return a metric by its name, in percent:

    * `mean`: mean recall@1 of the tasks with one target; `mean all`: of all tasks, in older files `mean ten`;
    * `dim 64`: the `mean` on the first 64 dimensions; `dim 64 loss`: less that of all dimensions;
      `dim 64 kept`: as a share of it;
    * a meta-task's name: the mean first metric of its tasks (recall@1; Content Relevance: precision@1);
    * `seven`, `nine`, `ten`, `five`, `five near misses`, `five whole corpus`, `twins`, `told apart`: see
      `headline.MEANS`;
    * `Relations`, the name of a task or of its variant: its first metric; followed by another metric, that
      one: `Note2Note ndcg@10`, `I2Note strict`, `T2Note twins told apart`, `Note2Note whole corpus ndcg@10`.

    Raises ValueError for another name.
    """
    words = name.split()
    if name == "mean":
        return lambda run: 100 * mean_recall(run["tasks"])
    if name in ("mean all", "mean ten"):
        return lambda run: 100 * float(np.mean([entry["recall@1"] for entry in run["tasks"].values()]))
    if name in META_TASKS:
        tasks = META_TASKS[name]
        return lambda run: (
            100 * float(np.mean([run["tasks"][t][first_metric(t)] for t in tasks if t in run["tasks"]]))
        )
    if words[:1] == ["dim"] and len(words) in (2, 3) and words[1].isdecimal():
        return _of_prefix(words[1], *words[2:])
    if name in SUMMED:
        return lambda run: 100 * float(run["means"][SUMMED[name]]["mean"])
    # `I2Note strict` comes before `I2Note`.
    for task in sorted((*Task, *VARIANTS, RELATIONS), key=len, reverse=True):
        metric = name.removeprefix(task).strip()
        if name.startswith(task) and (not metric or metric == TOLD_APART or "@" in metric):
            return _of_task(str(task), metric or first_metric(task))
    raise ValueError(
        f"unknown metric {name!r}: mean, mean all, dim N, {', '.join(SUMMED)}, a meta-task, a task or its "
        "variant, or one of these and a metric"
    )


def _of_task(task: str, metric: str) -> Metric:
    section = "tasks" if task in set(Task) else "extra"
    return lambda run: 100 * float(run[section][task][metric])


def _of_prefix(dim: str, compared: str = "") -> Metric:
    def mean(run: Json) -> float:
        return 100 * mean_recall(run["dims"][dim])

    def whole(run: Json) -> float:
        return 100 * mean_recall(run["tasks"])

    if compared == "loss":
        return lambda run: mean(run) - whole(run)
    if compared == "kept":
        return lambda run: 100 * mean(run) / whole(run)
    if compared:
        raise ValueError(f"unknown metric dim {dim} {compared!r}: `loss`, `kept` or nothing")
    return mean


def worst_task(after: Json, before: Json) -> float:
    """Return the largest loss of a task with one target, in points of recall@1: negative when one lost."""
    changes = [
        after["tasks"][task]["recall@1"] - before["tasks"][task]["recall@1"]
        for task in SINGLE_TARGET
        if task in after["tasks"]
    ]
    return 100 * float(min(changes))
