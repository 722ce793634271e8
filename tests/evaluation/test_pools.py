from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import LateFusion
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.cut_tasks import graded_task, pair_task
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.pools import CORPUS_TASKS, NEAR_TASKS, Distractors, near_task, targets_of
from uninote.evaluation.scoring import per_query, told_apart
from uninote.evaluation.suite import Query, Suite, TaskSuite, build_suite
from uninote.evaluation.variants import TOLD_APART, Variant, changes_pool
from uninote.items import Item
from uninote.tasks.definitions import TWIN_TASKS, Task
from uninote.tasks.pairs import make_pairs


def rows(notes):
    """Return random unit rows, seeded by the number in the note's id."""
    made = np.stack([np.random.default_rng(int(note.id[1:])).standard_normal(5) for note in notes])
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def notes(make_note):
    return [make_note(i, pictures=2 + i % 2, category="ab"[i % 2]) for i in range(8)]


@pytest.fixture(scope="module")
def others(make_note):
    return [make_note(i, pictures=1 + i % 3, category="abc"[i % 3]) for i in range(20, 32)]


@pytest.fixture(scope="module")
def suite(notes, others):
    return build_suite(notes, distractors=others, near=rows)


@pytest.fixture(scope="module")
def by_name(suite):
    return {task.name: task for task in suite.all_tasks}


def test_a_note_is_a_target_of_each_kind(make_note) -> None:
    note = make_note(1, pictures=2)
    note = note.with_pictures((*note.pictures, replace(note.pictures[0], description=" ")))
    assert targets_of(note, Task.OCR2NOTE) == targets_of(note, Task.NOTE2NOTE) == (note.item(),)
    first, second, _ = note.pictures
    for task in (Task.T2I, Task.NOTE2I):
        assert [item.key for item in targets_of(note, task)] == [Item.of(first).key, Item.of(second).key]
    texts = (Item.of(first.description), Item.of(second.description))
    assert targets_of(note, Task.I2T) == targets_of(note, Task.NOTE2T) == texts


def test_the_whole_corpus_adds_the_targets_of_all_other_notes(by_name, others) -> None:
    assert {name for name in by_name if name.endswith(Variant.CORPUS)} == {
        Variant.CORPUS.of(task) for task in CORPUS_TASKS
    }
    for task in CORPUS_TASKS:
        usual, whole = by_name[task], by_name[Variant.CORPUS.of(task)]
        assert whole.queries == usual.queries
        added = {item.key for note in others for item in targets_of(note, task)}
        assert set(whole.index) == set(usual.index) | added
        assert whole.facts()["chance@1"] == pytest.approx(1 / len(whole.targets))


def test_a_distractor_that_equals_a_target_is_that_target(notes, make_note, hash_encoder) -> None:
    double = replace(make_note(40), pictures=notes[0].pictures)
    suite = build_suite(notes, distractors=[double])
    usual, whole = (
        next(task for task in suite.all_tasks if task.name == name) for name in ("T2I", "T2I whole corpus")
    )
    assert whole.targets == usual.targets
    values = evaluate(hash_encoder, suite, bootstrap=0)
    assert values["extra"]["T2I whole corpus"]["recall@1"] == values["tasks"]["T2I"]["recall@1"]


def test_near_misses_are_the_targets_of_the_nearest_notes_of_the_category(notes, others) -> None:
    pool = [*notes, *others]
    for task in NEAR_TASKS:
        usual = graded_task(notes, task, 0) if task is Task.NOTE2NOTE else pair_task(notes, task, 0)
        order = {}
        for note in notes:
            same = [one for one in pool if one.category == note.category and one is not note]
            cosines = rows(same) @ rows([note])[0]
            order[note.id] = [same[place].id for place in sorted(range(len(same)), key=lambda n: -cosines[n])]
        near = near_task(usual, Distractors(others), order, count=3)
        assert near.queries
        assert {key for query in near.queries for key in query.pool} == set(near.index)
        for query in near.queries:
            expected = set(query.relevant)
            for found in order[query.note_id][:3]:
                if own := [one for one in usual.queries if one.note_id == found]:
                    expected |= {key for one in own for key in one.relevant}
                else:
                    expected |= {item.key for n in others if n.id == found for item in targets_of(n, task)}
            assert query.pool == expected
        sizes = [len(query.pool) for query in near.queries]
        facts = near.facts()
        assert facts["n_targets"] == round(np.mean(sizes))
        assert facts["chance@1"] == pytest.approx(np.mean([1 / size for size in sizes]))


def test_a_query_without_a_near_miss_is_left_out(notes) -> None:
    alone = [replace(notes[0], category="alone"), *notes[1:]]
    suite = build_suite(alone, near=rows)
    near = next(task for task in suite.extra if task.name == "T2Note near misses")
    assert [query.note_id for query in near.queries] == [note.id for note in notes[1:]]
    assert not any(task.name.endswith(Variant.CORPUS) for task in suite.extra)


def test_twins_are_the_counterfactuals_of_all_targets(by_name, notes) -> None:
    for task in TWIN_TASKS:
        usual, twins = by_name[task], by_name[Variant.TWINS.of(task)]
        pairs = make_pairs(notes, task, per_note=1)
        counterfactuals = {pair.positive.key: pair.counterfactual.key for pair in pairs}
        assert set(twins.index) == set(usual.index) | set(counterfactuals.values())
        for query in twins.queries:
            assert query.twins == {key: counterfactuals[key] for key in query.relevant}


def test_a_counterfactual_that_is_a_target_is_no_twin(make_note) -> None:
    # Without its only picture, the first note is what the second one is in T2Note, which masks the rest.
    first = make_note(1, pictures=1)
    second = replace(first, id="n2", pictures=(make_note(1).pictures[1],))
    (usual,) = (pair_task([first, second], Task.T2NOTE, 0),)
    twins = pair_task([first, second], Task.T2NOTE, 0, variant=Variant.TWINS)
    assert len(twins.targets) == 3  # both lose their picture: one twin for two
    assert {key for query in twins.queries for key in query.twins} == set(usual.index)
    rest = replace(first, id="n3", pictures=())
    found = pair_task([first, second], Task.T2NOTE, 0).targets
    assert rest.item() not in found
    # A note that lacks what another one's picture adds: picture 0 alone, as what is left of both.
    both = replace(first, id="n4", pictures=make_note(1).pictures[:2])
    pairs = [pair for pair in make_pairs([both], Task.T2NOTE) if pair.picture == 1]
    assert pairs[0].counterfactual == first.item()
    seed = next(s for s in range(20) if make_pairs([both], Task.T2NOTE, per_note=1, seed=s) == pairs)
    twins = pair_task([first, both], Task.T2NOTE, seed, variant=Variant.TWINS)
    assert [query.note_id for query in twins.queries] == [first.id]
    assert len(twins.targets) == 3


@pytest.fixture
def apart() -> TaskSuite:
    """Three queries over the targets a, b, c and the twins of a and b."""
    key = {text: Item.of(text).key for text in ("a", "b", "c", "a-", "b-")}

    def query(text: str, twins: dict[str, str]) -> Query:
        return Query(
            Item.of(text), text, {key[t]: 1 for t in twins}, twins={key[t]: key[w] for t, w in twins.items()}
        )

    queries = (query("q1", {"a": "a-"}), query("q2", {"b": "b-"}), query("q3", {"a": "a-", "b": "b-"}))
    targets = tuple(map(Item.of, ("a-", "b-", "a", "b", "c")))
    return TaskSuite("T2Note twins", Task.T2NOTE, queries, targets)


def test_told_apart_by_hand(apart) -> None:
    # q1: c, a, a-: apart. q2: b- before b. q3: a before a-, neither b nor b- found.
    ids = np.array([[4, 2, 0, 1, 3], [1, 3, 0, 2, 4], [2, 0, -1, -1, -1]])
    assert told_apart(apart, ids).tolist() == [1, 0, 0.5]
    assert per_query(apart, ids, (1,))["recall@1"].tolist() == [0, 0, 0.5]
    only_the_right_one = np.array([[2, -1, -1, -1, -1], [1, -1, -1, -1, -1], [-1] * 5])
    assert told_apart(apart, only_the_right_one).tolist() == [1, 0, 0]


def test_equal_scores_do_not_tell_twins_apart(apart, lookup_encoder) -> None:
    texts = ("q1", "q2", "q3", "a", "b", "c", "a-", "b-")
    same = lookup_encoder({text: [1.0, 0.0] for text in texts})
    result = evaluate(same, Suite((), (), (apart,)), bootstrap=0)
    assert result["extra"]["T2Note twins"][TOLD_APART] == 0
    assert result["per_query"]["T2Note twins"][TOLD_APART] == [0, 0, 0]
    assert result["means"][TOLD_APART] == {"mean": 0, "tasks": 1}


def ranks(task: TaskSuite, encoder) -> list[list[int]]:
    """Return the ids of each query's pool by cosine, one query and one target at a time."""
    found = []
    for query in task.queries:
        vector = encoder.encode([query.item])[0]
        pool = [n for n, target in enumerate(task.targets) if query.pool is None or target.key in query.pool]
        scores = {n: float(encoder.encode([task.targets[n]])[0] @ vector) for n in pool}
        found.append(sorted(pool, key=lambda n: -scores[n]))
    return found


def test_a_model_and_baselines_are_measured_as_by_brute_force(suite, hash_encoder) -> None:
    result = evaluate(hash_encoder, suite, ks=(1, 3), bootstrap=10)
    alike = [evaluate_baseline(OneVector(hash_encoder), suite, ks=(1, 3), bootstrap=10)]
    for task in suite.extra:
        if not changes_pool(task.name):
            continue
        order = ranks(task, hash_encoder)
        best = [{task.targets[n].key for n in row[:3]} for row in order]
        recall = [
            len(found & query.relevant.keys()) / len(query.relevant)
            for found, query in zip(best, task.queries, strict=True)
        ]
        entry = result["extra"][task.name]
        assert entry["recall@3"] == pytest.approx(np.mean(recall))
        assert entry["n_targets"] == task.facts()["n_targets"]
        if task.has_twins:
            told = [
                row.index(task.index[right]) < row.index(task.index[twin])
                for row, query in zip(order, task.queries, strict=True)
                for right, twin in query.twins.items()
            ]
            assert entry[TOLD_APART] == pytest.approx(np.mean(told))
            assert len(entry[f"{TOLD_APART}_interval"]) == 2
        for measured in alike:
            assert measured["extra"][task.name] == entry
    for entries in result["dims"].values():
        assert not any(changes_pool(name) for name in entries)
    assert alike[0]["means"] == result["means"]
    assert list(result["means"]) == [
        "seven",
        "nine",
        "ten",
        "five",
        "five, near misses",
        "five, whole corpus",
        "three, twins",
        "told apart",
    ]


def test_baselines_search_the_pool_of_each_query_alone(suite, hash_encoder) -> None:
    for task in suite.extra:
        for ranker in (Bm25(), LateFusion(hash_encoder)):
            for row, query in zip(ranker.rank(task, len(task.targets)), task.queries, strict=True):
                keys = {task.targets[n].key for n in row if n >= 0}
                assert query.pool is None or keys <= query.pool


def test_pools_and_distractors_count_for_the_fingerprint(suite, notes, others) -> None:
    same = build_suite(notes, distractors=others, near=rows)
    assert (same.fingerprint, same.distractors) == (suite.fingerprint, len(others))
    assert build_suite(notes, distractors=others).fingerprint != suite.fingerprint
    assert build_suite(notes, distractors=others, near=lambda n: -rows(n)[:, ::-1]).facts()["suite"]
    reverse = build_suite(notes, distractors=others[:-1], near=rows)
    assert reverse.fingerprint != suite.fingerprint
    assert suite.facts()["distractor_notes"] == len(others)
