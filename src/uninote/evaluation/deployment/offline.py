"""Recall of back-checks: a sample searches all stored notes for those of its category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uninote.evaluation.bootstrap import LEVEL
from uninote.evaluation.deployment.gallery import Gallery
from uninote.evaluation.metrics import Values
from uninote.evaluation.protocols import Floats, Json
from uninote.evaluation.search import top_of_scores

TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


def backcheck_recall(
    scores: Floats, gallery: Gallery, members: Mapping[str, frozenset[str]], notes: Sequence[str], k: int
) -> dict[str, float]:
    """Return by category the share of its notes among the top k of a sample, as the mean over its samples.

    Args:
        scores: float32 `[samples, notes]`; -inf: not retrieved. Those of a sample's own note must be
            (`online.hide_own`), and the own note does not count as one of the category.
        members: ids of the notes of each category.
        notes: ids of the stored notes.
    """
    found = top_of_scores(scores, k)[1]
    place = {note: n for n, note in enumerate(notes)}
    recalls = {}
    for name, rows in gallery.rows.items():
        stored = [place[note] for note in members[name] if note in place]
        shares = []
        for row in rows:
            others = [n for n in stored if notes[n] != gallery.samples[row].note]
            if others:
                shares.append(np.isin(others, found[row]).sum() / len(others))
        if shares:
            recalls[name] = float(np.mean(shares))
    return recalls


def gain(baseline: Mapping[str, float], other: Mapping[str, float], resamples: int, seed: int) -> Json:
    """Return the mean `recall` over categories, its `gain` relative to the baseline's, and its `interval`.

    The interval resamples categories, the same for both. `gain` is None where the baseline finds nothing.
    """
    both: Values = np.array([[baseline[name], other[name]] for name in baseline]).reshape(-1, 2)
    before, after = both.mean(axis=0) if len(both) else (0.0, 0.0)
    result: Json = {"recall": float(after), "gain": None, "interval": None, "categories": len(both)}
    if before > 0:
        result["gain"] = float(after / before - 1)
        if resamples and len(both) > 1:
            drawn = np.random.default_rng(seed).integers(0, len(both), (resamples, len(both)))
            means = both[drawn].mean(axis=1)
            means = means[means[:, 0] > 0]
            result["interval"] = np.quantile(means[:, 1] / means[:, 0] - 1, TAILS).tolist()
    return result
