from __future__ import annotations

import numpy as np
import pytest

from uninote.errors import ItemError
from uninote.evaluation.cut_tasks import graded_task
from uninote.evaluation.hard.modality import ablated, only, picture_share, swapped
from uninote.evaluation.suite import Query, TaskSuite
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Item
from uninote.tasks.definitions import Task


class Weighted:
    """Encoder `w · picture direction + (1 - w) · text direction`, with directions drawn from the contents."""

    uses_instructions = False
    dims = (64,)

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def encode(self, items, *, task=None, dim=None, progress=False):
        rows = []
        for item in items:
            pictures = self._direction("".join(picture.digest for picture in item.pictures))
            rows.append(self.weight * pictures + (1 - self.weight) * self._direction("".join(item.texts)))
        rows = np.stack(rows)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def _direction(self, content: str) -> np.ndarray:
        row = np.random.default_rng([*content.encode()]).standard_normal(64)
        return row / np.linalg.norm(row)


@pytest.fixture(scope="module")
def task(make_note) -> TaskSuite:
    """Task whose queries and targets are the same whole notes."""
    items = [make_note(i, pictures=1).item() for i in range(16)]
    queries = tuple(Query(item, f"n{i}", {item.key: 1}) for i, item in enumerate(items))
    return TaskSuite("Self", Task.NOTE2NOTE, queries, tuple(items))


def test_only_one_modality_is_kept_in_order(make_note) -> None:
    item = make_note(0, pictures=2).item()
    assert only(item, "both") is item
    assert only(item, "texts").parts == item.texts
    assert only(item, "pictures").parts == item.pictures
    with pytest.raises(ItemError):
        only(Item.of("words"), "pictures")


def test_the_three_variants_have_the_same_queries(make_note) -> None:
    halves = graded_task([make_note(i) for i in range(3)], Task.NOTE2NOTE, 0)
    alone = Query(Item.of("only words"), "x", {halves.targets[0].key: 1})
    task = TaskSuite("N", halves.instruction, (*halves.queries, alone), halves.targets, graded=True)
    variants = ablated(task)
    assert list(variants) == ["both", "texts", "pictures"]
    for kept, variant in variants.items():
        assert [query.note_id for query in variant.queries] == ["n0", "n1", "n2"]
        assert variant.targets == task.targets
        assert all(bool(query.item.texts) is (kept != "pictures") for query in variant.queries)
        assert all(bool(query.item.pictures) is (kept != "texts") for query in variant.queries)


def test_queries_of_one_modality_have_no_variants(make_task) -> None:
    assert ablated(make_task({"a": {"b": 1}}, ["b"])) == {}


def test_a_swap_leaves_the_other_modality(make_note) -> None:
    one, other = make_note(0).item(), make_note(1).item()
    assert swapped(one, other, "pictures").texts == one.texts
    assert swapped(one, other, "pictures").pictures == other.pictures
    assert swapped(one, other, "texts").pictures == one.pictures


@pytest.mark.parametrize(
    ("weight", "low", "high"), [(0.0, 0, 0), (0.5, 0.4, 0.6), (1.0, 1, 1), (0.2, 0.01, 0.35)]
)
def test_the_share_equals_the_weight_of_pictures(task, weight: float, low: float, high: float) -> None:
    share = picture_share(ItemVectors(Weighted(weight)), task, bootstrap=50, seed=0)
    assert share is not None
    assert low <= share["share"] <= high
    assert share["interval"][0] <= share["share"] <= share["interval"][1]
    assert share["n_queries"] == 16


def test_one_mixed_query_has_no_share(make_note, task) -> None:
    lone = TaskSuite("One", Task.NOTE2NOTE, task.queries[:1], task.targets)
    assert picture_share(ItemVectors(Weighted(0.5)), lone, 10, 0) is None
