"""Thresholds against numbers worked by hand, and against brute force over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.calibration import (
    Calibration,
    at_threshold,
    by_precision,
    by_recall,
    by_volume,
    histogram,
)
from uninote.errors import CalibrationError

#         positives:  x         x    x         x
SCORES = [0.95, 0.90, 0.80, 0.80, 0.60, 0.50]
LABELS = [True, False, True, True, False, True]

scores = st.lists(st.integers(-20, 20).map(lambda n: n / 20), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("volume", "threshold", "hits"),
    [
        (0, 0.950001, 0),  # just above the best
        (1, 0.95, 1),
        (2, 0.9, 2),
        (3, 0.9, 2),  # 0.80 stands twice: 4 hits would be more than 3
        (4, 0.8, 4),
        (6, 0.5, 6),
        (99, 0.5, 6),
    ],
)
def test_equal_volume(volume: int, threshold: float, hits: int) -> None:
    assert by_volume(SCORES, volume) == Calibration(threshold, hits)


def test_precision() -> None:
    # Going down: 1/1, 1/2, 3/4 (both 0.80), 3/5, 4/6.
    assert by_precision(SCORES, LABELS, 0.75) == Calibration(0.8, 4, 0.75, 0.75)
    assert by_precision(SCORES, LABELS, 0.65) == Calibration(0.5, 6, 2 / 3, 1.0)
    assert by_precision(SCORES, LABELS, 0.8) == Calibration(0.95, 1, 1.0, 0.25)
    with pytest.raises(CalibrationError, match=r"precision 0\.9; the best is 0\.5000 at 0\.4"):
        by_precision([0.9, 0.4], [False, True], 0.9)


def test_recall() -> None:
    assert by_recall(SCORES, LABELS, 0.25) == Calibration(0.95, 1, 1.0, 0.25)
    assert by_recall(SCORES, LABELS, 0.26) == Calibration(0.8, 4, 0.75, 0.75)
    assert by_recall(SCORES, LABELS, 1.0) == Calibration(0.5, 6, 2 / 3, 1.0)


def test_a_given_threshold() -> None:
    assert at_threshold(SCORES, 0.9) == Calibration(0.9, 2)
    assert at_threshold(SCORES, 0.9, LABELS) == Calibration(0.9, 2, 0.5, 0.25)
    assert at_threshold(SCORES, 0.99, LABELS) == Calibration(0.99, 0, None, 0.0)


def test_scores_are_compared_as_they_are_stored() -> None:
    chosen = by_volume([0.30000004, 0.2], 1)
    assert chosen.threshold == 0.3
    assert at_threshold([0.30000004], chosen.threshold).hits == 1


def test_histogram() -> None:
    drawn = histogram([0.0, 0.25, 0.5, 1.0], [False, True, True, True], bins=4)
    assert drawn.edges == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert drawn.counts == (1, 1, 1, 1)
    assert drawn.positives == (0, 1, 1, 1)
    assert histogram([1.0, 1.0], bins=1).counts == (2,)
    assert histogram([0.9], bins=2, low=0.0).edges == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: by_volume([], 1),
        lambda: by_volume([0.5], -1),
        lambda: by_volume([1.0, 1.0, 0.5], 1),  # no threshold tells two scores of 1 apart
        lambda: by_volume([np.nan], 1),
        lambda: by_recall([0.5], [False], 0.5),
        lambda: by_recall([0.5], [True, True], 0.5),
        lambda: by_precision([0.5], [True], 0.0),
        lambda: by_recall([0.5], [True], 1.5),
        lambda: histogram([0.5], bins=0),
    ],
)
def test_bad_input_is_refused(call: object) -> None:
    with pytest.raises(CalibrationError):
        call()  # type: ignore[operator]


@given(values=scores, volume=st.integers(0, 35))
def test_no_other_threshold_is_nearer_to_the_volume(values: list[float], volume: int) -> None:
    within = [
        at_threshold(values, cut).hits for cut in {*values, 1.0} if at_threshold(values, cut).hits <= volume
    ]
    if not within:
        if values.count(1.0) <= volume or 1.0 in values:
            with pytest.raises(CalibrationError):
                by_volume(values, volume)
        return
    chosen = by_volume(values, volume)
    assert chosen.hits == at_threshold(values, chosen.threshold).hits == max(within)


@given(
    pairs=st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=1, max_size=30),
    target=st.floats(0.01, 1),
)
def test_precision_and_recall_equal_brute_force(pairs: list[tuple[int, bool]], target: float) -> None:
    values, labels = [score / 20 for score, _ in pairs], [label for _, label in pairs]
    if not any(labels):
        return
    every = [at_threshold(values, cut, labels) for cut in sorted(set(values))]
    good = [one for one in every if one.precision is not None and one.precision >= target - 1e-12]
    if good:
        assert by_precision(values, labels, target) == good[0]
    else:
        with pytest.raises(CalibrationError):
            by_precision(values, labels, target)
    assert by_recall(values, labels, target) == [one for one in every if one.recall >= target - 1e-12][-1]  # type: ignore[operator]
