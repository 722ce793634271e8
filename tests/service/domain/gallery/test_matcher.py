"""The in-memory gallery equals brute force in SQL, and acts on every change at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.items import Item
from uninote.service.domain.base.vectors import float16_units
from uninote.service.domain.gallery import thresholds, versions
from uninote.service.domain.gallery.index import GalleryIndex, Rotated
from uninote.service.domain.gallery.matcher import Matcher, sampled
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.gallery.samples import add_samples, change_sample, delete_samples

BRUTE_FORCE = """
SELECT note.note_id, sample.sample_id, round(1 - (note.vector <=> sample.vector)::numeric, 6)::float8
FROM service.vectors AS note JOIN service.sample_vectors AS sample USING (model_id)
JOIN service.samples AS row ON row.id = sample.sample_id
JOIN (SELECT DISTINCT ON (category, model_id) * FROM service.thresholds ORDER BY category, model_id, id DESC)
    AS threshold ON threshold.category = row.category AND threshold.model_id = note.model_id
WHERE round(1 - (note.vector <=> sample.vector)::numeric, 6) >= threshold.value
"""


def clustered(rng: np.random.Generator, number: int, dim: int) -> np.ndarray[Any, Any]:
    """Return vectors around a few centres, as embeddings are: some pairs near, most far."""
    centres = rng.normal(size=(12, dim))
    rows = centres[rng.integers(12, size=number)] + rng.normal(scale=0.5, size=(number, dim))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_matches_equal_brute_force_in_sql(world: World, note: MakeNote) -> None:
    dim, rng = 96, np.random.default_rng(0)
    world.database.transaction(lambda session: versions.add(session, "wide", dim, "ops"))
    world.database.transaction(lambda session: versions.switch(session, "wide", "ops"))
    for name, threshold in (("a", 0.7), ("b", 0.8), ("c", 0.95)):
        world.category(name, None)
        world.database.transaction(lambda s, n=name, t=threshold: thresholds.put(s, n, "wide", t, "ops"))
    vectors = clustered(rng, 300, dim)
    samples = [
        NewSample("abc"[row % 3], "text", Item.of(f"s{row}"), {"wide": vector})
        for row, vector in enumerate(vectors)
    ]
    world.database.transaction(lambda session: add_samples(session, samples, "ops"))
    notes = [
        note(f"n{row}", vector, version="wide")
        for row, vector in enumerate(clustered(np.random.default_rng(0), 60, dim))
    ]
    outcomes = world.ingest(*notes)
    expected = {(row[0], row[1]): row[2] for row in world.rows(BRUTE_FORCE)}
    found = {(one.id, hit.sample_id): hit.score for one in outcomes for hit in one.hits}
    assert len(expected) > 200
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=2e-6)
    assert len(world.rows("SELECT 1 FROM service.matches")) == len(expected)


@pytest.mark.parametrize("grown", [False, True])
def test_pruning_loses_nothing(grown: bool) -> None:
    rng = np.random.default_rng(1)
    rows = clustered(rng, 1200, 128).astype(np.float16).astype(np.float32)
    ids = np.arange(1200, dtype=np.int64) * 2
    rotated = Rotated.of(ids[:700], rows[:700])
    assert not np.allclose(rotated.basis, np.eye(128))
    keep = np.delete(np.arange(700), [3, 500])
    rotated = rotated.updated(ids[keep], ids[700:][:100], rows[700:800])
    shown = np.concatenate([rows[keep], rows[700:800]])
    if grown:  # out of its basis, with ids that do not come last
        rotated = Rotated.of(rotated.ids[:200], shown[:200]).updated(
            rotated.ids[:200], rotated.ids[200:], shown[200:]
        )
    assert rotated.bounds.flags.c_contiguous  # also after a change, or each match takes longer
    queries = rows[:50]
    left, right = queries.astype(np.float64), shown.astype(np.float64)
    lengths = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    truth = np.clip(left @ right.T / lengths, -1, 1).round(6)
    limits = rng.uniform(0.6, 0.99, len(shown))
    limits[::2] = truth[7, ::2]  # a threshold that was chosen at a score is met by that score
    index = GalleryIndex(rotated, ("x",), np.zeros(len(shown), np.int32), limits, np.zeros(len(shown), bool))
    expected = [
        {int(rotated.ids[row]): scores[row] for row in np.flatnonzero(scores >= limits)} for scores in truth
    ]
    found = [{hit.sample_id: hit.score for hit in hits} for hits in index.match(queries, [None] * 50)]
    assert sum(map(len, expected)) > 1000
    assert found == expected


@pytest.mark.parametrize("dim", [8, 64, 384, 1024, 2048])
def test_equal_content_reaches_a_threshold_of_one(dim: int) -> None:
    rng = np.random.default_rng(dim)
    vectors = rng.normal(size=(200, dim))
    vectors[:50] = np.abs(vectors[:50])
    vectors[0] = 1  # every component is rounded alike, the worst case of the length
    rows = float16_units(vectors, dim)
    limits = np.ones(len(rows))
    names = np.zeros(len(rows), np.int32)
    index = GalleryIndex(Rotated.of(np.arange(200), rows), ("x",), names, limits, np.zeros(200, bool))
    found = index.match(rows, [None] * len(rows))
    assert [[(hit.sample_id, hit.score) for hit in hits] for hits in found] == [
        [(n, 1.0)] for n in range(200)
    ]


def test_changes_act_at_once_on_every_replica(world: World, note: MakeNote, at: Toward) -> None:
    other = Matcher()  # a second process in all but name

    def hits(name: str) -> list[int]:
        world.matcher, mine = other, world.matcher
        (outcome,) = world.ingest(note(name, at(0.9)))
        world.matcher = mine
        return [hit.sample_id for hit in outcome.hits]

    world.category("spam", 0.8)
    assert hits("before") == []
    sample = world.sample("spam", at(1.0))
    assert hits("added") == [sample]
    world.category("spam", 0.95)
    assert hits("raised") == []
    world.category("spam", 0.8)
    world.database.transaction(lambda session: change_sample(session, sample, "ops", enabled=False))
    assert hits("disabled") == []
    world.database.transaction(lambda session: change_sample(session, sample, "ops", enabled=True))
    assert hits("enabled") == [sample]
    world.category("spam", 0.8, enabled=False)
    assert hits("category off") == []
    world.category("spam", 0.8)
    world.database.transaction(lambda session: delete_samples(session, [sample], "ops"))
    assert hits("deleted") == []


def test_a_sample_disabled_for_a_time_comes_back_by_itself(
    world: World, note: MakeNote, at: Toward, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.category("spam")
    soon = datetime.now(UTC) + timedelta(hours=1)
    sample = world.sample("spam", at(1.0), disabled_until=soon)
    assert world.ingest(note("now", at(0.9)))[0].hits == ()
    snapshot = world.matcher.latest()
    assert snapshot is not None
    monkeypatch.setattr(
        "uninote.service.domain.gallery.matcher.time.monotonic", lambda: snapshot.deadline + 1
    )
    world.database.transaction(
        lambda s: s.connection().exec_driver_sql("UPDATE service.samples SET disabled_until = now()")
    )
    assert [hit.sample_id for hit in world.ingest(note("later", at(0.9)))[0].hits] == [sample]


def test_the_allow_list_takes_away_what_is_nearer_to_it(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam", 0.5)
    world.category("other", 0.5)
    sample, second = world.sample("spam", at(1.0)), world.sample("other", at(1.0))
    world.sample("spam", at(0.8, 0.6), allow=True)
    near, far = world.ingest(note("near", at(0.8, 0.55)), note("far", at(0.95)))
    assert [hit.sample_id for hit in near.hits] == [second]
    assert [hit.sample_id for hit in far.hits] == [sample, second]


def test_sampling_takes_a_fixed_fraction() -> None:
    picked = [sampled(f"n{number}", "spam", 0.3) for number in range(4000)]
    assert picked == [sampled(f"n{number}", "spam", 0.3) for number in range(4000)]
    assert 0.27 < sum(picked) / 4000 < 0.33
    assert not any(sampled(f"n{number}", "spam", 0.0) for number in range(100))


def test_a_note_is_matched_with_chosen_categories_only(world: World, note: MakeNote, at: Toward) -> None:
    world.category("spam")
    world.category("scam")
    world.sample("spam", at(1.0))
    scam = world.sample("scam", at(1.0))
    (outcome,) = world.ingest(note("n", at(0.9), categories=("scam",)))
    assert [hit.sample_id for hit in outcome.hits] == [scam]


def test_a_sample_again_is_the_same_sample(world: World, at: Toward) -> None:
    world.category("spam")
    assert world.sample("spam", at(1.0), "text") == world.sample("spam", at(0.5), "text")
    assert world.sample("spam", at(1.0), "text", allow=True) != world.sample("spam", at(1.0), "text")
    assert world.rows("SELECT count(*) FROM service.sample_vectors") == [(2,)]
