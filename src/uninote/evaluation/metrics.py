"""Recall, precision and nDCG per query, over the grades of the retrieved targets.

Vectorised numpy instead of `ranx`, which compiles for about a minute on first use (numba), longer than a
whole evaluation. A test checks that these functions equal those of ranx.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uninote.evaluation.protocols import Floats, Ids

Values = npt.NDArray[np.float64]


def recall_at(gains: Floats, relevant_counts: Ids, k: int) -> Values:
    """Compute float64 `[q]`: relevant targets among the first k, over all relevant ones.

    Args:
        gains: `[q, K]`, K >= k: grade of the target at each rank, 0 when it is not relevant.
        relevant_counts: `[q]`, each 1 or more.
    """
    return np.asarray((gains[:, :k] > 0).sum(axis=1) / relevant_counts, dtype=np.float64)


def precision_at(gains: Floats, k: int) -> Values:
    """Compute float64 `[q]`: relevant targets among the first k, over k."""
    return np.asarray((gains[:, :k] > 0).sum(axis=1) / k, dtype=np.float64)


def ndcg_at(gains: Floats, ideal: Floats, k: int) -> Values:
    """Compute float64 `[q]`: `DCG@k / ideal DCG@k`.

    `DCG = sum_r grade_r / log2(r + 1)` (Järvelin, Kekäläinen).

    Args:
        gains: as for `recall_at`.
        ideal: `[q, K]`: the grades of all relevant targets in descending order, 0-padded.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    return np.asarray(
        (gains[:, :k] @ discount[: gains.shape[1]]) / (ideal[:, :k] @ discount[: ideal.shape[1]])
    )


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Compute the mean of the precision at each positive, in descending order of scores.

    Of equal scores the first comes first. The labels hold at least one positive.
    """
    right = np.asarray(labels)[np.argsort(-np.asarray(scores), kind="stable")].astype(bool)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(precision[right].mean())
