"""Scoring of rankings: the metrics of one task, for stages and baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uninote.evaluation.bootstrap import intervals
from uninote.evaluation.metrics import Values, ndcg_at, precision_at, recall_at
from uninote.evaluation.protocols import Ids, Json
from uninote.evaluation.suite import WITH_TEXT, WITHOUT_TEXT, TaskSuite
from uninote.evaluation.variants import TOLD_APART, changes_pool


def per_query(task: TaskSuite, ids: Ids, ks: Sequence[int]) -> dict[str, Values]:
    """Compute the metrics of each query: float64 `[q]` by metric name.

    They are recall@k, for a graded task precision@k and nDCG at the largest k, and `TOLD_APART` for a task
    with twins.

    Args:
        ids: int64 `[q, K]`, K >= `depth(task, ks)`: positions in `task.targets`, best first, -1: none.
    """
    gains = task.gains(ids)
    values = {f"recall@{k}": recall_at(gains, task.relevant_counts, k) for k in ks}
    if task.graded:
        values |= {f"precision@{k}": precision_at(gains, k) for k in ks}
        values[f"ndcg@{max(ks)}"] = ndcg_at(gains, task.ideal_gains(max(ks)), max(ks))
    if task.has_twins:
        values[TOLD_APART] = told_apart(task, ids)
    return values


def depth(task: TaskSuite, ks: Sequence[int]) -> int:
    """Return how many results of a query its metrics need: all of them to tell twins apart."""
    return len(task.targets) if task.has_twins else max(ks)


def told_apart(task: TaskSuite, ids: Ids) -> Values:
    """Compute float64 `[q]`: the share of a query's relevant targets that stand above their own twins.

    A twin without a result stands below every result; if neither has one, they are not told apart.

    Args:
        ids: int64 `[q, K]`, K the number of targets.
    """
    rank = np.full((len(ids), len(task.targets) + 1), ids.shape[1])  # the last column takes -1
    np.put_along_axis(rank, ids, np.arange(ids.shape[1])[None, :], axis=1)
    shares = np.zeros(len(ids))
    for row, query in enumerate(task.queries):
        above = [rank[row, task.index[a]] < rank[row, task.index[b]] for a, b in query.twins.items()]
        shares[row] = np.mean(above)
    return shares


def summary(task: TaskSuite, values: Mapping[str, Values], bootstrap: int, seed: int) -> Json:
    """Return the task's entry of the report: sizes, means, and `<metric>_interval` when `bootstrap` > 0.

    `parts` has the same of each part of the queries, for recall@1, unless the task has other pools.
    """
    result: Json = {name: task.facts()[name] for name in ("n_queries", "n_targets")}
    result |= _means(values, bootstrap, seed)
    if changes_pool(task.name):
        return result
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
