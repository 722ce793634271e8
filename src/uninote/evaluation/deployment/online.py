"""Recall retained at the same volume of hits: online matching of new notes with the samples of categories.

A category's score of a note is the best over its samples. The baseline's threshold of a category is chosen by
recall on labelled notes; any other method gets the threshold with as many hits on the same stream of notes.
All functions are pure. Scores are float32 `[samples, notes]`, -inf where a method compares nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from uninote.calibration import Calibration, at_threshold, by_recall, by_volume
from uninote.errors import CalibrationError
from uninote.evaluation.bootstrap import intervals
from uninote.evaluation.deployment.gallery import Gallery
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import Floats, Json

LOWEST = -1.0
"""Score of a note that no sample is compared with."""

Labels = NDArray[np.bool_]
Decisions = dict[str, Calibration]
"""Threshold and result on the stream, by category."""


def hide_own(scores: Floats, gallery: Gallery, notes: Sequence[str]) -> Floats:
    """Return the scores with -inf where the note is the one that the sample is taken from."""
    sources = np.array([sample.note for sample in gallery.samples], dtype=object)
    own = sources[:, None] == np.array(notes, dtype=object)[None, :]
    return np.where(own, -np.inf, scores).astype(np.float32)


def of_categories(scores: Floats, gallery: Gallery) -> dict[str, Values]:
    """Return float64 `[notes]` of each category: the best score over its samples, at least `LOWEST`."""
    return {
        name: np.maximum(scores[rows].max(axis=0), LOWEST).astype(np.float64)
        for name, rows in gallery.rows.items()
    }


def by_target_recall(
    known: Mapping[str, Values],
    known_labels: Mapping[str, Labels],
    stream: Mapping[str, Values],
    labels: Mapping[str, Labels],
    target: float,
) -> Decisions:
    """Choose the threshold of each category by recall on known notes; return its result on the stream."""
    return {
        name: at_threshold(
            stream[name], by_recall(known[name], known_labels[name], target).threshold, labels[name]
        )
        for name in stream
    }


def at_volume_of(
    baseline: Decisions, stream: Mapping[str, Values], labels: Mapping[str, Labels]
) -> Decisions:
    """Give each category the threshold with as many hits on the stream as the baseline has, never more.

    Where more notes than that have the score 1, e.g. copies of a sample, the category has no hits.
    """

    def threshold(name: str, of: Values) -> float:
        try:
            return by_volume(of, baseline[name].hits).threshold
        except CalibrationError:
            return np.inf

    return {name: at_threshold(of, threshold(name, of), labels[name]) for name, of in stream.items()}


def retained(
    baseline: Decisions, other: Decisions, labels: Mapping[str, Labels], resamples: int, seed: int
) -> Json:
    """Compare the recall of a method with that of the baseline, category by category.

    Returns `mean` of `recall / baseline's recall` over the categories where the baseline finds anything, its
    `interval` (bootstrap over categories; None for one), `capped`: the same with ratios of at most 1, so that
    a gain in one category does not offset a loss in another, `pooled`: right hits of all categories over the
    baseline's, `categories` and, by name, their `ratios`.
    """
    ratios = {name: (other[name].recall or 0.0) / of.recall for name, of in baseline.items() if of.recall}
    positives = {name: int(labels[name].sum()) for name in baseline}
    right = [
        sum((method[name].recall or 0.0) * positives[name] for name in baseline)
        for method in (other, baseline)
    ]
    values = np.array(list(ratios.values()))
    interval = (
        intervals(values[:, None], resamples, seed)[0].tolist() if resamples and len(values) > 1 else None
    )
    return {
        "mean": float(values.mean()) if len(values) else None,
        "interval": interval,
        "capped": float(np.minimum(values, 1).mean()) if len(values) else None,
        "pooled": right[0] / right[1] if right[1] else None,
        "categories": len(values),
        "ratios": ratios,
    }


def random_order(baseline: Decisions, notes: int) -> Decisions:
    """Return the expected result of as many random hits as the baseline has: the floor of retention."""
    return {name: Calibration(1.0, of.hits, None, of.hits / notes) for name, of in baseline.items()}
