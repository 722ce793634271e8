from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.calibration import Calibration
from uninote.evaluation.deployment.gallery import Gallery, Sample
from uninote.evaluation.deployment.online import (
    at_volume_of,
    by_target_recall,
    hide_own,
    of_categories,
    random_order,
    retained,
)
from uninote.items import Item

GALLERY = Gallery(
    tuple(Sample("text", note, Item.of(note)) for note in ("a", "b", "c")),
    {"x": np.array([0, 1]), "y": np.array([2])},
)
LABELS = {"x": np.array([True, True, False, False]), "y": np.array([False, False, True, True])}
BASE = {"x": [0.9, 0.8, 0.7, 0.1], "y": [0.4, 0.3, 0.5, 0.2]}
OTHER = {"x": [0.2, 0.9, 0.8, 0.1], "y": [0.1, 0.2, 0.3, 0.9]}


def arrays(scores):
    return {name: np.array(of, dtype=np.float64) for name, of in scores.items()}


def test_the_best_sample_decides_and_a_note_never_meets_its_own() -> None:
    scores = np.array([[0.9, 0.2, -np.inf], [0.5, 0.8, -np.inf], [0.1, 0.2, 0.3]], dtype=np.float32)
    of = of_categories(hide_own(scores, GALLERY, ["a", "z", "c"]), GALLERY)
    assert of["x"] == pytest.approx([0.5, 0.8, -1])  # the sample of a is hidden from a; nothing compares c
    assert of["y"] == pytest.approx([0.1, 0.2, -1])


def test_retention_by_hand() -> None:
    known = arrays({"x": [0.9, 0.8, 0.3], "y": [0.5, 0.45, 0.1]})
    known_labels = {"x": np.array([True, True, False]), "y": np.array([True, False, False])}
    base = by_target_recall(known, known_labels, arrays(BASE), LABELS, target=0.9)
    assert base["x"] == Calibration(0.8, 2, 1.0, 1.0)
    assert base["y"] == Calibration(0.5, 1, 1.0, 0.5)
    other = at_volume_of(base, arrays(OTHER), LABELS)
    assert other["x"] == Calibration(0.8, 2, 0.5, 0.5)
    assert other["y"] == Calibration(0.9, 1, 1.0, 0.5)
    found = retained(base, other, LABELS, 200, seed=0)
    assert found["ratios"] == {"x": 0.5, "y": 1.0}
    assert found["mean"] == 0.75
    assert found["pooled"] == pytest.approx(2 / 3)  # 1 + 1 right hits of 2 + 1
    assert found["interval"] == [0.5, 1.0]
    assert retained(base, base, LABELS, 0, seed=0)["mean"] == 1
    assert random_order(base, 4)["x"] == Calibration(1.0, 2, None, 0.5)


def test_a_category_with_more_copies_of_its_samples_than_hits_has_none() -> None:
    base = {"x": Calibration(0.9, 1, 1.0, 0.5), "y": Calibration(0.5, 1, 1.0, 0.5)}
    found = at_volume_of(base, arrays({"x": [1.0, 1.0, 0.5, 0.1], "y": OTHER["y"]}), LABELS)
    assert (found["x"].hits, found["x"].precision, found["x"].recall) == (0, None, 0.0)
    assert found["y"].hits == 1


def test_a_category_where_the_baseline_finds_nothing_is_left_out_of_the_mean_only() -> None:
    base = {"x": Calibration(0.5, 1, 1.0, 0.5), "y": Calibration(0.5, 1, 0.0, 0.0)}
    other = {"x": Calibration(0.5, 1, 1.0, 1.0), "y": Calibration(0.5, 1, 1.0, 0.5)}
    found = retained(base, other, LABELS, 100, seed=0)
    assert found["categories"] == 1
    assert found["mean"] == 2
    assert found["interval"] is None
    assert found["capped"] == 1
    assert found["pooled"] == 3  # y counts here: 2 + 1 right hits of 1 + 0
    nothing = retained({"y": base["y"]}, {"y": other["y"]}, LABELS, 100, seed=0)
    assert (nothing["mean"], nothing["pooled"], nothing["categories"]) == (None, None, 0)


levels = st.lists(st.integers(-9, 9).map(lambda n: n / 10), min_size=4, max_size=4)


@given(levels, levels, st.floats(0.1, 1))
def test_volume_equals_brute_force_over_thresholds(base, other, target) -> None:
    scores = arrays({"x": base})
    own = by_target_recall(scores, LABELS, scores, {"x": LABELS["x"]}, target)
    assert own["x"].recall >= target
    new = at_volume_of(own, arrays({"x": other}), LABELS)
    hits = [sum(score >= limit for score in other) for limit in [*other, 1.0]]
    assert new["x"].hits == max(count for count in hits if count <= own["x"].hits)
    right = sum(score >= new["x"].threshold for score, label in zip(other, LABELS["x"], strict=True) if label)
    assert new["x"].recall == right / 2
