"""Exact top-k search by inner product or over a score matrix. Ties go to the earlier target."""

from __future__ import annotations

import faiss
import numpy as np

from uninote.evaluation.protocols import Floats, Ids
from uninote.evaluation.suite import TaskSuite


def nearest(task: TaskSuite, queries: Floats, targets: Floats, k: int) -> tuple[Floats, Ids]:
    """Find the k best targets of each query by inner product, in its pool, without its excluded targets.

    A zero row, of an item that could not be embedded, finds nothing and is not found.

    Args:
        queries: float32 `[q, d]`; targets: float32 `[t, d]`.

    Returns scores float32 `[q, k]` and ids int64 `[q, k]`, best first, padded with -inf and -1.
    """
    lost = np.flatnonzero(~queries.any(axis=1))
    blank = np.flatnonzero(~targets.any(axis=1))
    if any(query.pool is not None for query in task.queries):
        found = queries @ targets.T
        mask_excluded(task, found, 0)
        found[lost] = -np.inf
        found[:, blank] = -np.inf
        return top_of_scores(found, k)
    spare = max(len(query.excluded) for query in task.queries) + len(blank)
    fetched = min(k + spare, len(targets))
    scores, ids = faiss.knn(queries, targets, fetched, metric=faiss.METRIC_INNER_PRODUCT)
    for row, query in enumerate(task.queries):
        if query.excluded:
            excluded = [task.index[key] for key in query.excluded if key in task.index]
            scores[row, np.isin(ids[row], excluded)] = -np.inf
    scores[lost] = -np.inf
    scores[np.isin(ids, blank)] = -np.inf
    order = np.lexsort((ids, -scores), axis=-1)[:, :k]
    return _padded(np.take_along_axis(scores, order, 1), np.take_along_axis(ids, order, 1), k)


def top_of_scores(scores: Floats, k: int) -> tuple[Floats, Ids]:
    """Return the k best columns of each row; -inf means "not retrieved". Shapes as `nearest`."""
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return _padded(np.take_along_axis(scores, ids, 1), ids.astype(np.int64), k)


def mask_excluded(task: TaskSuite, scores: Floats, start: int) -> None:
    """Set what the queries `start, start + 1, ...` do not search to -inf in `scores [n, t]`.

    That is their excluded targets, and those outside of their pools.
    """
    for row, query in enumerate(task.queries[start : start + len(scores)]):
        if query.pool is not None:
            outside = np.ones(scores.shape[1], dtype=bool)
            outside[[task.index[key] for key in query.pool]] = False
            scores[row, outside] = -np.inf
        for key in query.excluded & task.index.keys():
            scores[row, task.index[key]] = -np.inf


def _padded(scores: Floats, ids: Ids, k: int) -> tuple[Floats, Ids]:
    missing = ((0, 0), (0, k - scores.shape[1]))
    scores = np.pad(scores, missing, constant_values=-np.inf)
    ids = np.pad(ids, missing, constant_values=-1)
    return scores, np.where(np.isneginf(scores), -1, ids)
