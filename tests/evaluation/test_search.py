from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uninote.evaluation.search import mask_excluded, nearest, top_of_scores


def test_nearest_equals_a_full_sort(make_task) -> None:
    generator = np.random.default_rng(0)
    targets = [f"t{i}" for i in range(40)]
    task = make_task(
        {f"q{i}": {f"t{i}": 1} for i in range(30)}, targets, excluded={"q3": ["t0", "t1"], "q4": ["t39"]}
    )
    queries, pool = (generator.standard_normal((n, 8)).astype(np.float32) for n in (30, 40))
    scores = queries @ pool.T
    mask_excluded(task, scores, 0)
    expected = top_of_scores(scores, 38)
    found = nearest(task, queries, pool, 38)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    assert not {0, 1} & set(found[1][3])


def test_ties_go_to_the_earlier_target(make_task) -> None:
    task = make_task({"q": {"t1": 1}}, ["t0", "t1", "t2"])
    same = np.ones((3, 4), dtype=np.float32)
    assert nearest(task, same[:1], same, 2)[1].tolist() == [[0, 1]]
    assert top_of_scores(np.zeros((1, 3), np.float32), 2)[1].tolist() == [[0, 1]]


def test_excluded_targets_leave_no_result_in_a_pool_too_small(make_task) -> None:
    task = make_task({"q": {"t1": 1}}, ["t0", "t1"], excluded={"q": ["t0"]})
    vectors = np.eye(2, dtype=np.float32)
    scores, ids = nearest(task, vectors[:1], vectors, 3)
    assert ids.tolist() == [[1, -1, -1]]
    assert np.isneginf(scores[0, 1:]).all()


def test_mask_starts_at_the_chunk(make_task) -> None:
    task = make_task({"a": {"t0": 1}, "b": {"t0": 1}}, ["t0", "t1"], excluded={"b": ["t1"]})
    scores = np.zeros((1, 2), np.float32)
    mask_excluded(task, scores, 1)
    assert scores.tolist() == [[0, -np.inf]]


@pytest.mark.parametrize("pool", [False, True])
def test_zero_rows_find_nothing_and_are_not_found(make_task, pool: bool) -> None:
    task = make_task({"a": {"t0": 1}, "b": {"t2": 1}}, ["t0", "t1", "t2"])
    if pool:
        queries = tuple(replace(query, pool=frozenset(task.index)) for query in task.queries)
        task = replace(task, queries=queries)
    targets = np.array([[0, 0], [-1, 0], [1, 0]], np.float32)
    scores, ids = nearest(task, np.array([[0, 0], [1, 0]], np.float32), targets, 2)
    assert ids.tolist() == [[-1, -1], [2, 1]]
    assert scores[1].tolist() == [1, -1]
