"""Search over the stored notes: exact, and by every kind of index, with filters and thresholds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from tests.service.conftest import MakeNote, Toward, World

from uninote.errors import VectorError
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import search as module
from uninote.service.domain.notes.search import rescored, search, within
from uninote.service.domain.notes.vector_index import Plan, PlanCache, build_index, plans
from uninote.service.errors import InvalidError
from uninote.store.protocol import EVERYTHING, Filter

DIM, ROWS = 64, 1500
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def matryoshka(rng: np.random.Generator, rows: int) -> np.ndarray[Any, Any]:
    """Return clustered vectors whose first dimensions hold most of the length, as in Matryoshka training."""
    scale = 1 / np.sqrt(1 + np.arange(DIM))
    centres = np.random.default_rng(9).normal(size=(40, DIM)) * scale
    points = centres[rng.integers(40, size=rows)] + 0.4 * rng.normal(size=(rows, DIM)) * scale
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    return units.astype(np.float16).astype(np.float64)


@pytest.fixture
def corpus(world: World, note: MakeNote) -> tuple[Any, np.ndarray[Any, Any]]:
    """The active model `wide` of 64 dimensions, and 1500 notes of it; every tenth is a video of food."""
    model = world.database.transaction(lambda s: versions.add(s, "wide", DIM, "ops"))
    world.database.transaction(lambda s: versions.switch(s, "wide", "ops"))
    vectors = matryoshka(np.random.default_rng(1), ROWS)
    for start in range(0, ROWS, 500):
        batch = []
        for row in range(start, start + 500):
            kind, category = ("video", "food") if row % 10 == 0 else ("note", "")
            options: dict[str, Any] = {"kind": kind, "category": category, "time": DAY + timedelta(hours=row)}
            batch.append(note(f"{row:04}", vectors[row], version="wide", **options))
        world.ingest(*batch)
    return model, vectors


@pytest.mark.slow
def test_every_form_finds_the_nearest(world: World, corpus: Any) -> None:
    model, vectors = corpus
    queries = matryoshka(np.random.default_rng(2), 30)
    truth = np.clip(queries @ vectors.T, -1, 1)
    nearest = [{f"{row:04}" for row in np.argsort(-scores)[:10]} for scores in truth]

    def asked(session: Session, query: Any, plan: Any) -> list[Any]:
        session.execute(text("SET LOCAL enable_sort = off"))  # else the server reads a table this small whole
        session.execute(text("SELECT pg_stat_force_next_flush()"))  # at the end of this transaction
        return search(session, model, query, 10, plan=plan)

    def run(plan: Any) -> tuple[float, list[Any]]:
        results = [world.database.transaction(lambda s, q=query: asked(s, q, plan)) for query in queries]
        recall = np.mean(
            [
                len({hit.note_id for hit in hits} & best) / 10
                for hits, best in zip(results, nearest, strict=True)
            ]
        )
        for hits, scores in zip(results, truth, strict=True):
            assert [(-hit.score, hit.note_id) for hit in hits] == sorted(
                (-hit.score, hit.note_id) for hit in hits
            )
            for hit in hits:  # whatever found it, its score is that of the full vectors
                assert hit.score == pytest.approx(scores[int(hit.note_id)], abs=2e-3)
        return float(recall), results

    exact, plain = run("exact")
    assert exact >= 0.99
    assert run("auto")[1] == plain
    made = [
        build_index(world.database, model),
        build_index(world.database, model, "prefix", 16),
        build_index(world.database, model, "binary"),
    ]
    assert build_index(world.database, model, "binary") == made[2]  # there already
    assert world.database.transaction(lambda s: plans(s, model)) == made
    recalls = {plan.form: run(plan)[0] for plan in made}
    assert recalls["full"] >= 0.98
    assert recalls["prefix"] >= 0.95
    assert recalls["binary"] >= 0.85
    rough = Plan("binary", DIM, candidates=1)  # without spare candidates there is nothing to put in order
    assert run(rough)[0] < recalls["binary"]

    counted = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relname = 'vectors'"
    used = dict(world.rows(counted))
    assert all(used[f"vectors_{model.id}_{plan.form}_{plan.dims}"] >= 30 for plan in made)


@pytest.mark.parametrize("indexed", [False, True])
def test_filters(world: World, corpus: Any, indexed: bool) -> None:
    model, vectors = corpus
    if indexed:
        build_index(world.database, model)
    query = matryoshka(np.random.default_rng(3), 1)[0]
    rows = np.arange(ROWS)
    for filter, selected in (
        (Filter(), rows >= 0),
        (Filter(kinds=("video",)), rows % 10 == 0),
        (Filter(categories=("food", "none")), rows % 10 == 0),
        (Filter(kinds=("note",), categories=("food",)), rows < 0),
        (Filter(since=DAY + timedelta(hours=1000)), rows >= 1000),
        (Filter(until=DAY + timedelta(hours=7)), rows < 7),
        (Filter(kinds=()), rows < 0),
        (Filter(kinds=("\0", "video")), rows % 10 == 0),
    ):
        scores = np.where(selected, vectors @ query, -np.inf)
        expected = [f"{row:04}" for row in np.argsort(-scores)[: min(5, int(selected.sum()))]]
        hits = world.database.transaction(lambda s, f=filter: search(s, model, query, 5, f))
        assert [hit.note_id for hit in hits] == expected, filter
        found = world.database.transaction(lambda s, f=filter: within(s, model, query, 0.3, f))
        names = {int(hit.note_id) for hit in found}
        # Stored vectors are rounded to 16 bits.
        assert set(np.flatnonzero(scores >= 0.301)) <= names <= set(np.flatnonzero(scores >= 0.299)), filter


def test_a_search_sees_its_own_model_only(world: World, corpus: Any, note: MakeNote, at: Toward) -> None:
    wide, _ = corpus
    small = world.database.transaction(lambda s: versions.get(s, "m1"))
    world.ingest(note("small", at(1.0)))
    assert [hit.note_id for hit in world.database.transaction(lambda s: search(s, small, at(1.0), 10))] == [
        "small"
    ]
    assert len(world.database.transaction(lambda s: search(s, wide, np.eye(1, DIM)[0], 10_000))) == ROWS


def test_more_than_the_index_can_give(world: World, corpus: Any) -> None:
    model, _ = corpus
    plan = build_index(world.database, model)
    hits = world.database.transaction(lambda s: search(s, model, np.eye(1, DIM)[0], 1200, plan=plan))
    assert len({hit.note_id for hit in hits}) == 1200


def test_an_index_left_by_a_killed_build_is_made_again(world: World, corpus: Any) -> None:
    model, _ = corpus
    plan = build_index(world.database, model)
    name = f"service.vectors_{model.id}_full_{DIM}"
    world.database.transaction(
        lambda s: s.connection().exec_driver_sql(
            f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"
        )
    )
    assert world.database.transaction(lambda s: plans(s, model)) == []
    assert build_index(world.database, model) == plan
    assert world.database.transaction(lambda s: plans(s, model)) == [plan]


def test_equal_scores_fall_to_the_id_and_the_threshold_is_met(
    world: World, note: MakeNote, at: Toward
) -> None:
    model = world.database.transaction(versions.active)
    world.ingest(note("b", at(1.0)), note("a", at(1.0)), note("c", at(0.5)))
    hits = world.database.transaction(lambda s: search(s, model, at(1.0), 3))
    assert [(hit.note_id, hit.score) for hit in hits] == [
        ("a", 1.0),
        ("b", 1.0),
        ("c", pytest.approx(0.5, abs=1e-4)),
    ]
    assert [
        hit.note_id for hit in world.database.transaction(lambda s: within(s, model, at(1.0), hits[2].score))
    ] == [
        "a",
        "b",
        "c",
    ]
    assert [
        hit.note_id for hit in world.database.transaction(lambda s: within(s, model, at(1.0), 0.5, limit=1))
    ] == ["a"]


@pytest.mark.slow
@pytest.mark.parametrize("dim", [64, 384, 1024, 2048])
def test_an_identical_note_scores_one_and_is_first(world: World, note: MakeNote, dim: int) -> None:
    model = world.database.transaction(lambda s: versions.add(s, "wide", dim, "ops"))
    rng = np.random.default_rng(dim)
    vectors = rng.normal(size=(30, dim))
    vectors[10:] = np.abs(vectors[10:])
    vectors[0] = 1
    vectors[20:] = vectors[19] + 0.005 * rng.normal(size=(10, dim))  # nearer than the rounding of a length
    world.ingest(*(note(f"{row}", vector, version="wide") for row, vector in enumerate(vectors)))

    def first(find: Any) -> list[tuple[str, float]]:
        found = [world.database.transaction(lambda s, q=q: find(s, q)) for q in vectors]
        return [(hits[0].note_id, hits[0].score) for hits in found]

    wanted = [(f"{row}", 1.0) for row in range(30)]
    everything = [name for name, _ in wanted]
    plan = build_index(world.database, model)

    def indexed(session: Session, query: Any) -> Any:
        session.execute(text("SET LOCAL enable_sort = off"))
        return search(session, model, query, 1, plan=plan)

    assert first(lambda s, q: search(s, model, q, 1, plan="exact")) == wanted
    assert first(indexed) == wanted
    assert first(lambda s, q: within(s, model, q, 1.0)) == wanted
    assert first(lambda s, q: rescored(s, model, q, everything, 1)) == wanted


def test_a_threshold_returns_every_note_that_reaches_it(
    world: World, corpus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, vectors = corpus
    monkeypatch.setattr(module, "MAX_K", 10)
    scores = [round(float(one), 5) for one in vectors @ vectors[7]]
    found = world.database.transaction(lambda s: within(s, model, vectors[7], -1.0))
    assert [hit.note_id for hit in found] != sorted(hit.note_id for hit in found)
    assert len(found) == ROWS
    assert {hit.note_id: pytest.approx(hit.score, abs=2e-3) for hit in found} == {
        f"{row:04}": score for row, score in enumerate(scores)
    }


def test_bad_searches_are_refused(world: World, at: Toward) -> None:
    model = world.database.transaction(versions.active)
    local = Filter(since=datetime(2026, 1, 1))
    for call in (
        lambda s: search(s, model, at(1.0), 0),
        lambda s: search(s, model, at(1.0), 10_001),
        lambda s: search(s, model, at(1.0), 5, local),
        lambda s: within(s, model, at(1.0), float("nan")),
        lambda s: within(s, model, at(1.0), 2.0),
        lambda s: within(s, model, at(1.0), 0.5, limit=0),
    ):
        with pytest.raises(InvalidError):
            world.database.transaction(call)
    for query in (np.zeros(8), np.ones(3), np.full(8, np.nan)):
        with pytest.raises(VectorError):
            world.database.transaction(lambda s, q=query: search(s, model, q, 5))
    with pytest.raises(InvalidError, match="9 of 8"):
        build_index(world.database, model, "prefix", 9)
    with pytest.raises(InvalidError, match="form full takes no --dims"):
        build_index(world.database, model, "full", 4)
    wide = world.database.transaction(lambda s: versions.add(s, "wider", 4096, "ops"))
    with pytest.raises(InvalidError, match=r"holds 4000 dimensions, not 4096: .*prefix.*binary"):
        build_index(world.database, wide)


def test_pages_behind_one_another_are_the_whole_result(world: World, note: MakeNote, corpus: Any) -> None:
    model, vectors = corpus
    twins = [(f"twin-{number}", vectors[7]) for number in range(30)]  # equal scores, ordered by id
    for name, vector in twins:
        world.ingest(note(name, vector, version="wide"))
    query = vectors[7]
    whole = world.database.transaction(lambda s: search(s, model, query, 200, plan="exact"))
    paged = world.database.transaction(lambda s: search(s, model, query, 13, plan="exact"))

    def page(limit: int, after: tuple[float, str], *given: Any) -> list[Any]:
        return world.database.transaction(
            lambda s: within(s, model, query, *(given or (-1.0,)), limit=limit, after=after)
        )

    while len(paged) < len(whole):
        paged += page(13, (paged[-1].score, paged[-1].note_id))
    assert paged[: len(whole)] == whole
    food = Filter(categories=("food",))
    after = (whole[40].score, whole[40].note_id)
    found = page(500, after, 0.2, food)
    expected = [
        hit
        for hit in world.database.transaction(lambda s: within(s, model, query, 0.2, food))
        if (-hit.score, hit.note_id) > (-after[0], after[1])
    ]
    assert found == expected
    assert found
    assert page(5, (-1.0, "zzz")) == []
    with pytest.raises(InvalidError):
        page(5, (2.0, ""))


def test_candidates_of_a_cluster_that_is_behind_are_put_right(
    world: World, note: MakeNote, at: Toward
) -> None:
    world.ingest(
        note("a", at(0.9)), note("b", at(0.8), category="moved"), note("c", at(0.7)), note("d", at(0.2))
    )
    ids = ["forgotten", "d", "c", "b", "a"]

    def found(ids: list[str], k: int = 10, filter: Filter = EVERYTHING) -> list[str] | None:
        def work(session: Any) -> Any:
            return rescored(session, versions.active(session), at(1.0), ids, k, filter)

        hits = world.database.transaction(work)
        return None if hits is None else [hit.note_id for hit in hits]

    assert found(ids) == ["a", "b", "c", "d"]
    assert found(ids, k=2) == ["a", "b"]
    assert found(ids, filter=Filter(categories=("",))) == ["a", "c", "d"]
    assert found(ids, filter=Filter(categories=("moved",))) == ["b"]
    assert found(ids, filter=Filter(categories=("none",))) == []
    assert found(["a", "c", "forgotten"]) is None  # others pass the filter
    assert found(["a", "c", "forgotten"], k=2) == ["a", "c"]
    scores = world.database.transaction(lambda s: search(s, versions.active(s), at(1.0), 10))
    again = world.database.transaction(lambda s: rescored(s, versions.active(s), at(1.0), ids, 10))
    assert again == scores


def test_what_is_indexed_is_remembered_and_a_search_by_itself_finds_the_same(
    world: World, corpus: Any
) -> None:
    model, _ = corpus
    queries = matryoshka(np.random.default_rng(4), 8)
    before, after = PlanCache(seconds=1e9), PlanCache(seconds=1e9)
    exact = [
        world.database.transaction(lambda s, q=q: search(s, model, q, 10, cache=before)) for q in queries
    ]
    plan = build_index(world.database, model)
    assert world.database.read(lambda s: before.of(s, model)) == []
    assert world.database.read(lambda s: after.of(s, model)) == [plan]
    # More than the five times after which the server may keep a plan that fits every value.
    found = [world.database.read(lambda s, q=q: search(s, model, q, 10, cache=after)) for q in queries]
    assert [[hit.note_id for hit in hits] for hits in found] == [
        [hit.note_id for hit in hits] for hits in exact
    ]
    assert world.database.read(lambda s: PlanCache(seconds=0).of(s, model)) == [plan]
