"""Scoring of rankings: the metrics of one task, for stages and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uninote.evaluation.bootstrap import intervals
from uninote.evaluation.metrics import Values, ndcg_at, precision_at, recall_at
from uninote.evaluation.protocols import Ids, Json
from uninote.evaluation.suite import WITH_TEXT, WITHOUT_TEXT, TaskSuite


def per_query(task: TaskSuite, ids: Ids, ks: Sequence[int]) -> dict[str, Values]:
    """Compute the metrics of each query: float64 `[q]` by metric name.

    They are recall@k and, for a graded task, precision@k and nDCG at the largest k.

    Args:
        ids: int64 `[q, K]`, K >= max(ks): positions in `task.targets`, best first, -1 for no result.
    """
    gains = task.gains(ids)
    values = {f"recall@{k}": recall_at(gains, task.relevant_counts, k) for k in ks}
    if task.graded:
        values |= {f"precision@{k}": precision_at(gains, k) for k in ks}
        values[f"ndcg@{max(ks)}"] = ndcg_at(gains, task.ideal_gains(max(ks)), max(ks))
    return values


def summary(task: TaskSuite, values: Mapping[str, Values], bootstrap: int, seed: int) -> Json:
    """Return the task's entry of the report: sizes, means, and `<metric>_interval` when `bootstrap` > 0.

    `parts` has the same of each part of the queries, for recall@1.
    """
    result: Json = {"n_queries": len(task.queries), "n_targets": len(task.targets)}
    result |= _means(values, bootstrap, seed)
    of_query = np.array([query.part for query in task.queries])
    if parts := [part for part in (WITH_TEXT, WITHOUT_TEXT) if part in of_query]:
        result["parts"] = {
            part: {"n_queries": int((of_query == part).sum())}
            | _means({"recall@1": values["recall@1"][of_query == part]}, bootstrap, seed)
            for part in parts
        }
    return result


def _means(values: Mapping[str, Values], bootstrap: int, seed: int) -> Json:
    means: Json = {name: float(column.mean()) for name, column in values.items()}
    if bootstrap:
        bounds = intervals(np.stack(list(values.values()), axis=1), bootstrap, seed)
        means |= {f"{name}_interval": bounds[i].tolist() for i, name in enumerate(values)}
    return means
