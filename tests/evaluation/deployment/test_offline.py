from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.deployment.gallery import Gallery, Sample
from uninote.evaluation.deployment.offline import backcheck_recall, gain
from uninote.evaluation.deployment.online import hide_own
from uninote.items import Item

NOTES = ["a", "b", "c", "d", "e"]


def test_recall_of_back_checks_by_hand() -> None:
    gallery = Gallery(
        (
            Sample("text", "a", Item.of("a")),
            Sample("text", "b", Item.of("b")),
            Sample("text", "e", Item.of("e")),
        ),
        {"x": np.array([0, 1]), "y": np.array([2])},
    )
    members = {"x": frozenset("abc"), "y": frozenset("ez")}  # z is not stored, so y has nothing to find
    scores = np.array(
        [
            [1.0, 0.9, 0.1, 0.8, 0.2],  # of a: b, d, e, c
            [0.3, 1.0, 0.5, 0.4, 0.2],  # of b: c, d, a, e
            [0.3, 0.2, 0.5, 0.4, 1.0],
        ],
        dtype=np.float32,
    )
    hidden = hide_own(scores, gallery, NOTES)
    assert backcheck_recall(hidden, gallery, members, NOTES, 1) == {"x": 0.5}  # 1 of 2, and 1 of 2
    assert backcheck_recall(hidden, gallery, members, NOTES, 3) == {"x": 0.75}  # 1 of 2, and 2 of 2
    assert backcheck_recall(hidden, gallery, members, NOTES, 100) == {"x": 1.0}
    nothing = np.full_like(scores, -np.inf)
    assert backcheck_recall(nothing, gallery, members, NOTES, 3) == {"x": 0.0}


def test_back_checks_equal_brute_force() -> None:
    generator = np.random.default_rng(0)
    notes = [f"n{i}" for i in range(30)]
    members = {name: frozenset(generator.choice(notes, 8, replace=False)) for name in ("x", "y")}
    samples = tuple(Sample("text", note, Item.of(note)) for note in notes[:12])
    rows = {name: np.array([i for i in range(12) if notes[i] in of]) for name, of in members.items()}
    scores = generator.standard_normal((12, 30)).astype(np.float32)
    gallery = Gallery(samples, rows)
    found = backcheck_recall(hide_own(scores, gallery, notes), gallery, members, notes, 5)
    for name, of in members.items():
        shares = []
        for row in rows[name]:
            others = [note for note in notes if note != notes[row]]
            first = sorted(others, key=lambda note: -scores[row, notes.index(note)])[:5]
            wanted = of - {notes[row]}
            shares.append(len(wanted & set(first)) / len(wanted))
        assert found[name] == pytest.approx(np.mean(shares))


def test_gain_is_relative_to_the_baseline() -> None:
    found = gain({"x": 0.2, "y": 0.4}, {"x": 0.3, "y": 0.6}, 100, seed=0)
    assert found["recall"] == pytest.approx(0.45)
    assert found["gain"] == pytest.approx(0.5)
    assert found["interval"] == pytest.approx([0.5, 0.5])  # every category gains the same
    wide = gain({"x": 0.2, "y": 0.4}, {"x": 0.2, "y": 0.6}, 100, seed=0)
    assert wide["interval"] == pytest.approx([0.0, 0.5])
    assert gain({"x": 0.0}, {"x": 0.1}, 100, seed=0)["gain"] is None
