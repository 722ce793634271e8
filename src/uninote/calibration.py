"""Threshold calibration of a category (method, section 5): by number of hits, by precision, by recall.

All functions are pure. Scores are cosines. A note is a hit when its score is at or above the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uninote.errors import CalibrationError

DECIMALS = 6  # decimals of stored scores

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class Calibration:
    """A threshold and its result on the scores that it was chosen on.

    hits: number of scores at or above it. precision: None without labels or without a hit. recall: None
    without labels.
    """

    threshold: float
    hits: int
    precision: float | None = None
    recall: float | None = None


@dataclass(frozen=True)
class Histogram:
    """Counts per bin; bin i is edges[i] <= score < edges[i + 1], the last one with its upper edge."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    positives: tuple[int, ...] = ()


def by_volume(scores: ArrayLike, volume: int) -> Calibration:
    """Return the threshold with the most hits that are not more than `volume`.

    Equal scores are hits together or not at all, so there may be fewer. Use it for "as many hits as the
    baseline has" (method, section 5). Raises CalibrationError for a negative volume, for no scores, and when
    more than `volume` scores are 1.
    """
    values = _scores(scores)
    if volume < 0:
        raise CalibrationError(f"a number of hits is not negative: {volume}")
    ordered = np.sort(values)[::-1]
    if volume >= len(ordered):
        return Calibration(float(ordered[-1]), len(ordered))
    above = ordered[ordered > ordered[volume]]  # ordered[volume] and its equals must not be hits
    if not len(above) and ordered[0] >= 1:
        equal = int((ordered >= 1).sum())
        raise CalibrationError(
            f"{equal} scores are 1, so no threshold makes {volume} hits; disable the category"
        )
    threshold = float(above[-1]) if len(above) else _just_above(float(ordered[0]))
    return at_threshold(values, threshold)


def by_precision(scores: ArrayLike, labels: ArrayLike, target: float) -> Calibration:
    """Return the lowest threshold with a precision of at least `target`: it has the most hits.

    Raises CalibrationError when no threshold reaches it; the message names the best precision.
    """
    curve = _Curve(scores, labels)
    good = np.flatnonzero(curve.precision >= _fraction(target) - 1e-12)
    if not len(good):
        best = curve.at(int(np.argmax(curve.precision)))
        raise CalibrationError(
            f"no threshold reaches precision {target}; the best is {best.precision:.4f} at {best.threshold}"
        )
    return curve.at(int(good[-1]))


def by_recall(scores: ArrayLike, labels: ArrayLike, target: float) -> Calibration:
    """Return the highest threshold with a recall of at least `target`: it has the fewest hits.

    Raises CalibrationError without a positive.
    """
    curve = _Curve(scores, labels)
    return curve.at(int(np.flatnonzero(curve.recall >= _fraction(target) - 1e-12)[0]))


def at_threshold(scores: ArrayLike, threshold: float, labels: ArrayLike | None = None) -> Calibration:
    """Return the hits of a given threshold, with its precision and recall if there are labels."""
    values = _scores(scores)
    hit = values >= threshold
    if labels is None:
        return Calibration(threshold, int(hit.sum()))
    truth = _labels(labels, len(values))
    right = int((hit & truth).sum())
    precision = right / int(hit.sum()) if hit.any() else None
    return Calibration(threshold, int(hit.sum()), precision, right / int(truth.sum()))


def histogram(
    scores: ArrayLike, labels: ArrayLike | None = None, bins: int = 40, low: float | None = None
) -> Histogram:
    """Return counts over equal bins from `low` (default: the lowest score) to 1."""
    values = _scores(scores)
    if not 1 <= bins <= 1000:
        raise CalibrationError(f"a histogram has 1 to 1000 bins, not {bins}")
    bottom = float(values.min()) if low is None else low
    edges = np.linspace(bottom, max(1.0, bottom + 1e-6), bins + 1)
    counts = np.histogram(values, edges)[0].tolist()
    positive = [] if labels is None else np.histogram(values[_labels(labels, len(values))], edges)[0].tolist()
    return Histogram(tuple(round(edge, DECIMALS) for edge in edges.tolist()), tuple(counts), tuple(positive))


class _Curve:
    """Precision and recall at every distinct score, the highest first."""

    def __init__(self, scores: ArrayLike, labels: ArrayLike) -> None:
        values = _scores(scores)
        truth = _labels(labels, len(values))
        order = np.argsort(-values, kind="stable")
        values, right = values[order], np.cumsum(truth[order])
        last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # the last of equal scores
        self.thresholds: Scores = values[last]
        self.hits = last + 1
        self.precision: Scores = right[last] / self.hits
        self.recall: Scores = right[last] / right[-1]

    def at(self, place: int) -> Calibration:
        return Calibration(
            float(self.thresholds[place]),
            int(self.hits[place]),
            float(self.precision[place]),
            float(self.recall[place]),
        )


def _scores(scores: ArrayLike) -> Scores:
    values = np.asarray(np.round(np.asarray(scores, dtype=np.float64), DECIMALS), dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise CalibrationError("calibration needs a list of finite scores, at least one")
    return values


def _labels(labels: ArrayLike, length: int) -> Labels:
    truth = np.asarray(labels).astype(np.bool_)
    if truth.shape != (length,):
        raise CalibrationError(f"{length} scores need as many labels, not an array of shape {truth.shape}")
    if not truth.any():
        raise CalibrationError("no label is positive: precision and recall say nothing")
    return truth


def _fraction(target: float) -> float:
    if not 0 < target <= 1:
        raise CalibrationError(f"a target is a fraction in (0, 1], not {target}")
    return target


def _just_above(score: float) -> float:
    return min(1.0, round(score + 1e-6, DECIMALS))
