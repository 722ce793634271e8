from __future__ import annotations

import json

import pytest

from uninote.evaluation.headline import MEANS
from uninote.evaluation.tables import Measure
from uninote.pipeline.bench.definition import Experiment
from uninote.pipeline.bench.metrics import metric_of, worst_task
from uninote.pipeline.bench.report import write_report
from uninote.tasks.definitions import META_TASKS, SFT_TASKS


def run(base: float, **more: float) -> dict:
    tasks = {task.value: {"recall@1": base} for task in SFT_TASKS}
    tasks["Note2Note"] = {"recall@1": 0.1, "precision@1": 0.8, "ndcg@10": 0.7}
    for name, value in more.items():
        tasks[name] = {"recall@1": value}
    dims = {"64": {task.value: {"recall@1": base / 2} for task in SFT_TASKS}}
    extra = {
        "I2Note strict": {"recall@1": 0.25},
        "T2Note twins": {"recall@1": 0.125, "told apart": 0.875},
        "Note2Note whole corpus": {"recall@1": 0.0, "precision@1": 0.5, "ndcg@10": 0.625},
    }
    means = {name: {"mean": place / 100} for place, name in enumerate(MEANS)}
    return {"tasks": tasks, "extra": extra, "means": means, "dims": dims, "seconds": 1.0}


def test_metrics_by_hand():
    result = run(0.4, I2T=0.8, I2Note=0.0)
    others = len(SFT_TASKS) - 2
    sizes = {family: len(tasks) for family, tasks in META_TASKS.items()}
    mean_all = pytest.approx(100 * (0.4 * others + 0.8 + 0.1) / (others + 3))
    assert metric_of("mean")(result) == pytest.approx(100 * (0.4 * others + 0.8) / (others + 2))
    assert metric_of("mean all")(result) == metric_of("mean ten")(result) == mean_all
    assert metric_of("Atomic Alignment")(result) == pytest.approx(40 + 40 / sizes["Atomic Alignment"])
    subordinate = pytest.approx(40 - 40 / sizes["Subordinate Retrieval"])
    assert metric_of("Subordinate Retrieval")(result) == subordinate
    assert metric_of("Content Relevance")(result) == pytest.approx(80)
    assert metric_of("Note2Note ndcg@10")(result) == pytest.approx(70)
    assert metric_of("dim 64")(run(0.4)) == pytest.approx(20)
    assert metric_of("dim 64 loss")(run(0.4)) == pytest.approx(-20)
    assert metric_of("dim 64 kept")(run(0.4)) == pytest.approx(50)
    assert worst_task(run(0.4, T2I=0.1), run(0.3)) == pytest.approx(-20)


def test_metrics_of_variants_and_means():
    names = ["seven", "nine", "ten", "five", "five near misses", "five whole corpus", "twins", "told apart"]
    assert [metric_of(name)(run(0.4)) for name in names] == pytest.approx(list(range(8)))
    expected = {
        "I2Note strict": 25,
        "T2Note twins": 12.5,
        "T2Note twins told apart": 87.5,
        "Note2Note whole corpus": 50,
        "Note2Note whole corpus ndcg@10": 62.5,
    }
    for name, value in expected.items():
        assert metric_of(name)(run(0.4)) == pytest.approx(value)
    with pytest.raises(KeyError):
        metric_of("I2Note near misses")(run(0.4))
    for name in ("I2Note near", "I2Note strictly", "eleven", "twins recall@1"):
        with pytest.raises(ValueError, match="unknown metric"):
            metric_of(name)


def test_differences_are_taken_seed_by_seed(tmp_path):
    goals = [
        {"name": "more", "claim": "c", "metric": "mean", "variant": "b", "against": "a", "goal": 16},
        {"name": "times", "claim": "c", "metric": "mean", "variant": "b", "against": "a", "kind": "ratio"},
        {"name": "not-yet", "claim": "c", "metric": "mean", "variant": "c", "against": "a"},
    ]
    experiment = Experiment.model_validate(
        {"name": "e", "title": "t", "variants": {v: {} for v in "abc"}, "against": "a", "goals": goals}
    )
    # Seeds differ by far more than variants do.
    results = {"a": {0: run(0.1), 1: run(0.5)}, "b": {0: run(0.2), 1: run(0.6), 2: run(0.9)}}
    table = write_report(experiment, results, tmp_path, "again")
    assert table.columns == ("variant", "mean", "mean vs a")
    assert [row[0] for row in table.rows] == ["a", "b"]
    first, second = table.rows
    assert first[2] is None
    assert isinstance(second[2], Measure)
    assert (second[2].value, second[2].low, second[2].high) == pytest.approx((10, 10, 10))
    claim = json.loads((tmp_path / "more.json").read_text())
    assert (claim["value"], claim["goal"], claim["unit"]) == (pytest.approx(10), 16, "points")
    assert json.loads((tmp_path / "times.json").read_text())["value"] == pytest.approx((2 + 1.2) / 2)
    assert not (tmp_path / "not-yet.json").exists()
    assert json.loads((tmp_path / "e.json").read_text())["seeds"] == [0, 1, 2]


def test_a_metric_that_runs_lack_leaves_its_cells_and_goals_empty(tmp_path):
    goal = {"name": "near", "claim": "c", "metric": "five near misses", "variant": "b", "against": "a"}
    experiment = Experiment.model_validate(
        {
            "name": "e",
            "title": "t",
            "variants": {v: {} for v in "ab"},
            "columns": ["five near misses", "mean"],
            "against": "a",
            "goals": [goal],
        }
    )
    bare = {v: {0: run(0.1) | {"means": {}}} for v in "ab"}
    for row in write_report(experiment, bare, tmp_path, "again").rows:
        assert row[1] is None
        assert row[2].value == pytest.approx(10)
        assert row[3] is None
    assert not (tmp_path / "near.json").exists()
