"""The scores that thresholds are chosen on are those that matching compares."""

from __future__ import annotations

import numpy as np
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.calibration import by_volume
from uninote.service.domain.gallery import calibration_scores, versions
from uninote.service.domain.review import verdicts
from uninote.service.errors import NotFoundError


def test_a_threshold_for_a_volume_makes_that_volume(world: World, note: MakeNote) -> None:
    """Choose a threshold on stored notes, then match the same notes: the hits are as many as wanted."""
    rng = np.random.default_rng(4)
    world.category("spam", None)
    for row, vector in enumerate(rng.normal(size=(12, 8))):
        world.sample("spam", vector, allow=row % 4 == 3)
    vectors = rng.normal(size=(150, 8))
    world.ingest(*[note(f"n{row}", vector) for row, vector in enumerate(vectors)])
    model = world.database.transaction(versions.active)
    scores = world.database.transaction(lambda s: calibration_scores.best_scores(s, model, "spam"))
    assert len(scores) == 150
    assert (scores == -1).any()
    for volume in (1, 10, 40):
        chosen = by_volume(scores, volume)
        assert chosen.hits == volume
        world.category("spam", chosen.threshold)
        outcomes = world.ingest(*[note(f"v{volume}-{row}", vector) for row, vector in enumerate(vectors)])
        assert sum(bool(one.hits) for one in outcomes) == volume
        world.database.transaction(
            lambda s: s.connection().exec_driver_sql("DELETE FROM service.notes WHERE id LIKE 'v%%'", {})
        )


def test_a_limit_draws_the_same_notes_each_time(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.sample("spam", at(1.0))
    world.ingest(*[note(f"n{row}", at(row / 30)) for row in range(30)])
    model = world.database.transaction(versions.active)
    drawn = [
        world.database.transaction(lambda s: calibration_scores.best_scores(s, model, "spam", limit=10))
        for _ in range(2)
    ]
    assert drawn[0].tolist() == drawn[1].tolist()
    assert len(set(drawn[0].tolist())) == 10


def test_reviewed_matches_with_their_labels(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.5)
    world.sample("spam", at(1.0))
    world.ingest(*[note(f"n{row}", at(0.6 + 0.1 * row)) for row in range(4)])
    matches = dict(world.rows("SELECT note_id, id FROM service.matches"))
    for name, verdict in (
        ("n0", "false_positive"),
        ("n1", "unsure"),
        ("n2", "true_positive"),
        ("n3", "true_positive"),
    ):
        world.database.transaction(lambda s, n=name, v=verdict: verdicts.judge(s, matches[n], v, "ana"))
    world.database.transaction(lambda s: verdicts.judge(s, matches["n3"], "false_positive", "bo"))
    model = world.database.transaction(versions.active)
    found = world.database.transaction(lambda s: calibration_scores.reviewed(s, model, "spam"))
    assert found.scores == pytest.approx([0.6, 0.8, 0.9], abs=1e-3)
    assert found.right.tolist() == [False, True, False]
    assert found.scores.tolist() == [
        row[0]
        for row in world.rows("SELECT score FROM service.matches WHERE note_id <> 'n1' ORDER BY note_id")
    ]


def test_nothing_to_compare_is_said(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    model = world.database.transaction(versions.active)
    with pytest.raises(NotFoundError, match="enabled sample"):
        world.database.transaction(lambda s: calibration_scores.best_scores(s, model, "spam"))
    assert world.database.transaction(
        lambda s: calibration_scores.reviewed(s, model, "spam")
    ).scores.shape == (0,)
