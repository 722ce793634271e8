"""Pairs and rankings of related notes."""

from __future__ import annotations

from collections import Counter

import pytest

from uninote.corpus.relations.graph import Relations
from uninote.items import Note
from uninote.tasks.definitions import Task
from uninote.tasks.related import related_pairs, related_rankings

NOTES = [Note(name, f"title {name}", "body") for name in "abcd"] + [Note("copy", "title a", "body")]
RELATIONS = Relations(
    {("a", "b"): 1.0, ("a", "c"): 3.0, ("a", "copy"): 9.0, ("a", "elsewhere"): 9.0, ("b", "c"): 2.0}
)
ITEMS = {note.id: note.item() for note in NOTES}


def keys(names: str) -> set[str]:
    return {ITEMS[name].key for name in names}


def test_every_relation_gives_a_pair_in_each_direction_and_its_neutral_targets() -> None:
    pairs = related_pairs(NOTES, RELATIONS, 100, 0)
    assert [(pair.note_id, pair.query, pair.positive) for pair in pairs] == [
        (one, ITEMS[one], ITEMS[other]) for one, other in ("ac", "ab", "bc", "ba", "ca", "cb")
    ]
    assert {pair.task for pair in pairs} == {Task.NOTE2NOTE}
    assert pairs[0].neutral == keys("abc")  # the copy is of the same content as a
    assert pairs[4].neutral == keys("abc")
    assert related_pairs(NOTES, Relations(), 100, 0) == []


def test_pairs_are_drawn_by_weight_and_not_twice() -> None:
    drawn = Counter()
    for seed in range(400):
        pairs = related_pairs(NOTES, RELATIONS, 1, seed)
        drawn[frozenset((pairs[0].query.key, pairs[0].positive.key))] += 1
    shares = {pair: drawn[frozenset(keys(pair))] / 400 for pair in ("ac", "bc", "ab")}
    assert shares == pytest.approx({"ac": 3 / 6, "bc": 2 / 6, "ab": 1 / 6}, abs=0.08)
    three = [(p.query.key, p.positive.key) for p in related_pairs(NOTES, RELATIONS, 3, 1)]
    assert len(set(three)) == 3
    assert three == [(p.query.key, p.positive.key) for p in related_pairs(NOTES, RELATIONS, 3, 1)]


def test_rankings_hold_the_highest_weights_best_first() -> None:
    found = related_rankings(NOTES, RELATIONS, 2, 5)
    assert list(found) == ["a", "b", "c"]
    assert found["a"].relevant == (ITEMS["c"], ITEMS["b"])
    assert found["c"].relevant == (ITEMS["a"], ITEMS["b"])
    assert found["a"].neutral == keys("abc")
    assert not found["a"].nested
    assert related_rankings(NOTES, RELATIONS, 2, 1)["a"].relevant == (ITEMS["c"],)
    assert related_rankings(NOTES, RELATIONS, 2, 1)["a"].neutral == keys("abc")
    for relations, least in ((RELATIONS, 0), (RELATIONS, 3), (None, 2)):
        assert related_rankings(NOTES, relations, least, 5) == {}
