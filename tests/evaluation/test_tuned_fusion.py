from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.baselines.bm25 import K1, B, Bm25, tuned_bm25
from uninote.evaluation.baselines.late_fusion import LateFusion, text_elements
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.baselines.tuned_fusion import Choice, TunedFusion
from uninote.evaluation.suite import Query, Suite, TaskSuite
from uninote.items import Item
from uninote.tasks.definitions import Task


class ByPart:
    """Encoder with a table of vectors, by text or by index in `pictures`."""

    def __init__(self, table) -> None:
        self.table = table

    def encode(self, items):
        return np.array([self.table[item.key] for item in items], dtype=np.float32)


@pytest.fixture
def mixed(make_picture):
    """Two notes; the query's picture is that of the first, its text that of the second."""
    one, two, mine = (make_picture(seed) for seed in (1, 2, 3))
    first, second = Item.of("red", one), Item.of("blue", two)
    query = Item.of("azure", mine)
    table = {
        Item((part,)).key: row
        for part, row in {
            one: [1, 0, 0, 0],
            two: [0, 1, 0, 0],
            mine: [0.9, 0.1, 0, 0],
            "red": [0, 0, 1, 0],
            "blue": [0, 0, 0, 1],
            "azure": [0, 0, 0.05, 0.95],
        }.items()
    }

    def task(answer: Item) -> TaskSuite:
        queries = (Query(query, "q", {answer.key: 1}),)
        return TaskSuite("I2Note", Task.I2NOTE, queries, (first, second))

    return ByPart(table), task, first, second


def test_weights_decide_between_pictures_and_texts(mixed) -> None:
    encoder, task, first, _ = mixed
    for share, best in ((1.0, 0), (0.0, 1), (0.75, 0), (0.25, 1)):
        fusion = TunedFusion(encoder, {"I2Note": Choice("mean_max", share, share)})
        assert fusion.rank(task(first), 2)[0, 0] == best


def test_tuning_chooses_the_best_weights_per_task(mixed) -> None:
    encoder, task, first, second = mixed
    for answer in (first, second):
        fusion = TunedFusion(encoder)
        fusion.tune(Suite((), (task(answer),)))
        assert fusion.rank(task(answer), 1)[0, 0] == (0 if answer is first else 1)


def test_without_tuning_it_equals_late_fusion(mixed, make_note, hash_encoder) -> None:
    items = [make_note(i).item() for i in range(5)]
    queries = tuple(Query(item, "q", {items[0].key: 1}) for item in items)
    task = TaskSuite("Any", Task.NOTE2NOTE, queries, tuple(items))
    plain = LateFusion(hash_encoder, fusion="mean_max").rank(task, 5)
    assert (TunedFusion(hash_encoder).rank(task, 5) == plain).all()
    assert (TunedFusion(hash_encoder, {"Any": Choice("max")}).rank(task, 5) != -1).all()


def test_an_item_without_the_weighted_kind_is_not_retrieved(mixed) -> None:
    encoder, task, first, second = mixed
    text = Item.of("red")
    suite = TaskSuite("I2Note", Task.I2NOTE, task(first).queries, (first, second, text))
    fusion = TunedFusion(encoder, {"I2Note": Choice("max", 1.0, 1.0)})
    assert fusion.rank(suite, 3).tolist() == [[0, 1, -1]]


def test_one_kind_of_element_has_no_weights_to_tune(mixed) -> None:
    encoder, task, first, _ = mixed
    fusion = TunedFusion(encoder, elements=text_elements)
    fusion.tune(Suite((), (task(first),)))
    assert fusion.choices["I2Note"].in_query is None
    measured = evaluate_baseline(fusion, Suite((), (task(first),)), bootstrap=0)
    assert measured["tasks"]["I2Note"]["recall@1"] == 0


def test_bm25_is_tuned_within_its_grid(make_task) -> None:
    # Long documents repeat the word: with little length normalisation the long one wins.
    documents = ["apple", "apple apple apple pear plum cherry grape melon fig date kiwi"]
    task = make_task({"apple": {documents[1]: 1}}, documents)
    chosen = tuned_bm25(Suite((), (task,)))
    assert chosen.k1 in K1
    assert chosen.b in B
    assert chosen.rank(task, 1)[0, 0] == 1
    assert Bm25(b=0.9).rank(task, 1)[0, 0] == 0
