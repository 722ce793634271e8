from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tests.encoder.wide_backbone import WideSettings

from uninote.encoder import Encoder
from uninote.errors import VectorError
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.links import links_task
from uninote.evaluation.scoring import summary
from uninote.evaluation.suite import Suite, build_suite
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Item
from uninote.tasks.definitions import TWIN_TASKS, Task

VECTORS = {
    "q1": [1, 0, 0, 0],
    "q2": [0, 1, 0, 0],
    "q3": [0, 0, 0.6, 0.8],
    "a": [0.8, 0, 0, 0.6],
    "b": [0, 0.6, 0.8, 0],
    "c": [0, 0.8, 0, 0.6],
    "d": [0, 0, 1, 0],
}


@pytest.fixture
def tiny(make_task) -> Suite:
    # q1: a first. q2: c (0.8) before b (0.6). q3: b, c (0.48) after d (0.6) and a (0.48, earlier).
    task = make_task({"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 2, "d": 1}}, list("abcd"), graded=True)
    return Suite((), (task,))


def test_metrics_known_by_hand(tiny, lookup_encoder) -> None:
    result = evaluate(lookup_encoder(VECTORS), tiny, ks=(1, 2), bootstrap=50)
    values = result["tasks"]["T2Note"]
    assert values["recall@1"] == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert values["recall@2"] == pytest.approx((1 + 1 + 1 / 2) / 3)
    assert values["precision@1"] == pytest.approx(2 / 3)
    discount = 1 / np.log2(3)
    assert values["ndcg@2"] == pytest.approx((1 + discount + 1 / (2 + discount)) / 3)
    low, high = values["recall@1_interval"]
    assert 0 <= low <= values["recall@1"] <= high <= 1
    assert result["means"]["seven"]["mean"] == values["recall@1"]
    assert result["per_query"]["T2Note"]["recall@1"] == [1, 0, 0.5]
    assert result["cost"] == {"dim": 4, "bytes_per_note": 16, "vectors_per_note": 1.0}


def test_parts_of_the_queries_are_measured_apart(make_note, hash_encoder) -> None:
    notes = [make_note(i, pictures=1) for i in range(5)]
    bare = [note.with_pictures((replace(note.pictures[0], ocr=()),)) for note in notes[:2]]
    suite = build_suite([*bare, *notes[2:]])
    task = next(task for task in suite.tasks if task.name == "I2Note")
    values = {"recall@1": np.array([1.0, 0.0, 1.0, 1.0, 0.0]), "recall@5": np.ones(5)}
    entry = summary(task, values, 100, 0)
    assert entry["parts"] == {
        "with text": {
            "n_queries": 3,
            "recall@1": pytest.approx(2 / 3),
            "recall@1_interval": entry["parts"]["with text"]["recall@1_interval"],
        },
        "without text": {"n_queries": 2, "recall@1": 0.5, "recall@1_interval": [0, 1]},
    }
    for measured in (evaluate(hash_encoder, suite, bootstrap=0), evaluate_baseline(Bm25(), suite)):
        found = {
            name for section in ("tasks", "extra") for name, e in measured[section].items() if "parts" in e
        }
        assert found == {"I2Note", "Note2I", "I2Note strict", "Note2I strict"}


def test_matryoshka_truncates_and_renormalises(tiny, lookup_encoder) -> None:
    # With two dimensions a = (1, 0), b = c = (0, 1): the tie of b and c at q2 goes to b, which is right.
    dims = evaluate(lookup_encoder(VECTORS), tiny, ks=(1,), dims=(2, 4), bootstrap=0)["dims"]
    assert dims["2"]["T2Note"]["recall@1"] == pytest.approx((1 + 1 + 0) / 3)
    assert dims["4"]["T2Note"]["recall@1"] == pytest.approx(0.5)
    assert "recall@1_interval" not in dims["4"]["T2Note"]


def test_examples_name_ranks_and_results(tiny, lookup_encoder) -> None:
    examples = evaluate(lookup_encoder(VECTORS), tiny, samples=9, bootstrap=0)["examples"]["T2Note"]
    assert [example["best_rank"] for example in examples] == [1, 2, 1]
    top = examples[1]["top"]
    assert [result["key"] for result in top[:2]] == [Item.of("c").key, Item.of("b").key]
    assert [result["grade"] for result in top[:2]] == [0, 1]
    assert top[0]["score"] == pytest.approx(0.8)
    assert examples[2]["best_relevant"] == Item.of("d").key


def test_every_item_is_encoded_once(make_note, hash_encoder) -> None:
    suite = build_suite([make_note(i) for i in range(5)])
    vectors = ItemVectors(hash_encoder)
    vectors.add_suite(suite)
    assert [len(call) for call in hash_encoder.calls] == [len(suite.items)]
    assert sorted(hash_encoder.calls[0]) == sorted(suite.items)


def test_with_instructions_queries_are_encoded_per_task_and_targets_once(make_note, hash_encoder) -> None:
    seen: list[tuple[Task | None, str]] = []
    plain = hash_encoder.encode

    def encode(items, *, task=None, dim=None, progress=False):
        seen.extend((task, item.key) for item in items)
        return plain(items)

    hash_encoder.uses_instructions = True
    hash_encoder.encode = encode
    suite = build_suite([make_note(i) for i in range(4)])
    ItemVectors(hash_encoder).add_suite(suite)
    assert len(seen) == len(set(seen))
    assert {key for task, key in seen if task is None} == {t.key for s in suite.all_tasks for t in s.targets}
    for task in Task:
        asked = [suite_task for suite_task in suite.all_tasks if suite_task.instruction is task]
        queries = {query.item.key for suite_task in asked for query in suite_task.queries}
        assert {key for side, key in seen if side is task} == queries


def test_whole_suite_is_repeatable_json_and_a_random_encoder_is_near_chance(make_note, hash_encoder) -> None:
    notes = [make_note(i, links=(f"n{(i + 1) % 12}",)) for i in range(12)]
    suite = build_suite(notes, extra=[links_task])
    first, second = (evaluate(hash_encoder, suite, bootstrap=20, seed=4) for _ in range(2))
    for result in (first, second):
        assert result.pop("timing_s")["encode_per_item"] > 0
    assert json.loads(json.dumps(first, allow_nan=False)) == second
    assert list(first["tasks"]) == [task.value for task in Task]
    twins = [f"{task} twins" for task in TWIN_TASKS]
    assert list(first["extra"]) == ["Links", "I2Note strict", "Note2I strict", *twins]
    assert first["suite"] == suite.fingerprint
    assert first["tasks"]["I2T"]["recall@1"] < 0.2
    assert set(first["dims"]) == {"16", "64"}


def test_vectors_that_are_not_finite_are_refused(tiny, lookup_encoder) -> None:
    encoder = lookup_encoder(VECTORS | {"c": [0, np.nan, 0, 0]})
    with pytest.raises(VectorError, match="1 of 7"):
        evaluate(encoder, tiny)


def test_an_item_with_a_bad_vector_is_measured_as_not_found(make_task, caplog) -> None:
    encoder = Encoder.build(WideSettings(width=512, device="cpu"))
    task = make_task({"red car": {"red car": 1}, "a nan": {"rain": 1}}, ["red car", "rain", "nan here"])
    one = OneVector(encoder)
    assert one.rank(task, 3).tolist()[1] == [-1, -1, -1]
    assert sorted(one.rank(task, 3).tolist()[0]) == [-1, 0, 1]
    assert "counts as not found: item" in caplog.text
    with pytest.raises(VectorError, match="none of 2 items can be embedded"):
        OneVector(encoder).vectors.add([Item.of("nan"), Item.of("a nan")])
