"""Matching rule: decides which comparisons of notes with gallery samples are hits. Pure functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def hits(
    scores: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    allow: NDArray[np.bool_],
    groups: NDArray[Any],
) -> NDArray[np.bool_]:
    """Return which of n comparisons are hits, bool [n].

    scores: float64 [n]. thresholds: float64 [n], infinite for a sample that is disabled. allow: bool [n],
    whether the sample is on the allow-list. groups: [n], equal for comparisons of one note with samples of
    one category.

    A comparison is a hit if its sample is not on the allow-list, its score reaches its threshold, and its
    score is above that of every allow-list sample of its group that reaches its own threshold.
    """
    _, group = np.unique(groups, return_inverse=True)
    reached = scores >= thresholds
    allowed = np.full(len(scores), -np.inf)  # by group: the best score on the allow-list
    np.maximum.at(allowed, group[reached & allow], scores[reached & allow])
    return reached & ~allow & (scores > allowed[group])
