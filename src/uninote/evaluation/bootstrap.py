"""Bootstrap: 95 % intervals of means by resampling queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.evaluation.metrics import Values

LEVEL = 0.95


def intervals(values: Values, resamples: int, seed: int, level: float = LEVEL) -> Values:
    """Compute the percentile bootstrap interval of the mean of each column.

    Args:
        values: float64 `[q, m]`, one row per query; columns are resampled together.
        resamples: number of draws of q queries with replacement, 1 or more.

    Returns float64 `[m, 2]`: low and high.
    """
    return _percentiles(_resampled(values, resamples, np.random.default_rng(seed)), level)


def interval_of_mean(groups: Sequence[Values], resamples: int, seed: int, level: float = LEVEL) -> Values:
    """Compute the interval of the mean of the groups' means; queries are resampled within their group.

    Args:
        groups: float64 `[q]` each, e.g. one metric of every query of a task.

    Returns float64 `[2]`: low and high.
    """
    generator = np.random.default_rng(seed)
    means = [_resampled(group[:, None], resamples, generator) for group in groups]
    return np.asarray(_percentiles(np.mean(means, axis=0), level)[0])


def _resampled(values: Values, resamples: int, generator: np.random.Generator) -> Values:
    """Return float64 `[resamples, m]`: means of the columns of `values [q, m]`."""
    count = len(values)
    return np.stack([values[generator.integers(0, count, count)].mean(axis=0) for _ in range(resamples)])


def _percentiles(means: Values, level: float) -> Values:
    tail = (1 - level) / 2
    return np.asarray(np.quantile(means, [tail, 1 - tail], axis=0).T)


def paired_difference(
    before: Values, after: Values, resamples: int, seed: int
) -> tuple[float, tuple[float, float]]:
    """Compute the mean of `after - before` over the same queries, and its interval.

    An interval without 0 means a significant change.

    Args:
        before, after: float64 `[q]`, the same query at the same position.

    Raises ValueError when the lengths differ: unpaired values have no paired difference.
    """
    if before.shape != after.shape:
        raise ValueError(f"paired values must match: {before.shape} and {after.shape}")
    difference = after - before
    low, high = intervals(difference[:, None], resamples, seed)[0]
    return float(difference.mean()), (float(low), float(high))
