from __future__ import annotations

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from uninote.evaluation.metrics import ndcg_at, precision_at, recall_at
from uninote.evaluation.scoring import per_query, summary
from uninote.evaluation.search import top_of_scores

RANX = """
import json, sys
from ranx import Qrels, Run, evaluate
data = json.load(sys.stdin)
scores = evaluate(Qrels(data["qrels"]), Run(data["run"]), data["metrics"], return_mean=False)
print(json.dumps({name: list(map(float, values)) for name, values in scores.items()}))
"""


@pytest.fixture(scope="module")
def rankings(make_task):
    """60 queries over 25 targets, 1 to 5 graded relevant ones, scores with many ties."""
    generator = np.random.default_rng(3)
    targets = [f"t{i}" for i in range(25)]
    relevant = {
        f"q{i:02}": {
            f"t{j}": int(generator.integers(1, 6))
            for j in generator.choice(25, generator.integers(1, 6), replace=False)
        }
        for i in range(60)
    }
    scores = generator.integers(0, 7, (60, 25)).astype(np.float32)
    scores[5] = -np.inf
    scores[6, 3:] = -np.inf
    return make_task(relevant, targets, graded=True), relevant, scores


def brute_force(ranking: list[str], grades: dict[str, int], k: int) -> tuple[float, float, float]:
    found = [target for target in ranking[:k] if target in grades]
    dcg = sum(grades.get(t, 0) / math.log2(r + 2) for r, t in enumerate(ranking[:k]))
    best = sorted(grades.values(), reverse=True)[:k]
    ideal = sum(grade / math.log2(r + 2) for r, grade in enumerate(best))
    return len(found) / len(grades), len(found) / k, dcg / ideal


def test_equal_to_brute_force(rankings) -> None:
    task, relevant, scores = rankings
    _, ids = top_of_scores(scores, 10)
    values = per_query(task, ids, (1, 5, 10))
    gains, ideal = task.gains(ids), task.ideal_gains(10)
    for row, grades in enumerate(relevant.values()):
        order = sorted(range(25), key=lambda t: (-scores[row, t], t))
        ranking = [f"t{t}" for t in order if scores[row, t] > -np.inf]
        for k in (1, 5, 10):
            recall, precision, ndcg = brute_force(ranking, grades, k)
            assert values[f"recall@{k}"][row] == pytest.approx(recall)
            assert values[f"precision@{k}"][row] == pytest.approx(precision)
            assert ndcg_at(gains, ideal, k)[row] == pytest.approx(ndcg)


@pytest.mark.slow
def test_equal_to_ranx(rankings) -> None:
    task, relevant, scores = rankings
    # ranx orders queries by name and ties its own way: names are padded, and ties broken in the scores
    # it is given. Without its compiler it answers at once instead of after a minute.
    _, ids = top_of_scores(scores, 25)
    run = {
        query: {f"t{t}": float(25 - rank) for rank, t in enumerate(ids[row]) if t >= 0}
        for row, query in enumerate(relevant)
        if (ids[row] >= 0).any()
    }
    assert "q05" not in run
    metrics = ["recall@1", "recall@5", "recall@10", "precision@1", "precision@5", "precision@10", "ndcg@10"]
    qrels = {query: grades for query, grades in relevant.items() if query in run}
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RANX],
        input=json.dumps({"qrels": qrels, "run": run, "metrics": metrics}),
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = json.loads(answer.stdout.splitlines()[-1])
    values = per_query(task, ids, (1, 5, 10))
    kept = [row for row, query in enumerate(relevant) if query in run]
    assert set(metrics) == set(values)
    for name in metrics:
        np.testing.assert_allclose(values[name][kept], expected[name], atol=1e-6)
    assert all(values[name][5] == 0 for name in metrics)


def test_worked_by_hand() -> None:
    gains = np.array([[0, 2, 0, 1]], dtype=np.float32)
    ideal = np.array([[3, 2, 1, 0]], dtype=np.float32)
    assert recall_at(gains, np.array([3]), 2).tolist() == [pytest.approx(1 / 3)]
    assert precision_at(gains, 4).tolist() == [0.5]
    dcg = 2 / math.log2(3) + 1 / math.log2(5)
    best = 3 + 2 / math.log2(3) + 1 / 2
    assert ndcg_at(gains, ideal, 4)[0] == pytest.approx(dcg / best)


def test_fewer_targets_than_k(make_task) -> None:
    task = make_task({"a": {"x": 1}, "b": {"y": 1}}, ["x", "y"])
    _, ids = top_of_scores(np.array([[0.1, 0.9], [0.2, 0.8]], dtype=np.float32), 5)
    assert ids.tolist() == [[1, 0, -1, -1, -1], [1, 0, -1, -1, -1]]
    values = per_query(task, ids, (1, 5))
    assert values["recall@1"].tolist() == [0, 1]
    assert values["recall@5"].tolist() == [1, 1]
    assert "precision@1" not in values
    result = summary(task, values, 100, 0)
    assert (result["n_queries"], result["n_targets"], result["recall@1"]) == (2, 2, 0.5)
    assert result["recall@5_interval"] == [1, 1]
    assert "recall@1_interval" not in summary(task, values, 0, 0)
