"""Co-engagement: hand-worked cosines, planted groups, the same result for any number of threads."""

from __future__ import annotations

import sys
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from tests.corpus.relations.planted import PER_GROUP, group, planted_log

from uninote.corpus.relations.coengagement import Method, co_engagement
from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Event
from uninote.errors import MissingExtraError


def test_cosines_of_counts_worked_by_hand() -> None:
    clicks = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "a"), ("v", "b"), ("w", "c")]
    found = co_engagement([Event(*click, 0.0) for click in clicks], "cosine")
    # a = (1, 2, 0), b = (1, 1, 0), c = (0, 0, 1): cos(a, b) = 3 / sqrt(5 * 2)
    assert [(one, other) for one, other, _ in found] == [("a", "b")]
    assert found.of("b") == (("a", pytest.approx(3 / 10**0.5)),)
    assert found.until == 0.0


@pytest.mark.parametrize("method", ["bm25", "tfidf", "cosine"])
@pytest.mark.parametrize("seed", range(3))
def test_notes_of_a_planted_group_are_nearest(method: Method, seed: int) -> None:
    relations = co_engagement(planted_log(seed), method, neighbours=PER_GROUP - 1)
    own = [
        np.mean([group(other) == group(note) for other, _ in relations.of(note)[:3]])
        for note in {item for relation in relations for item in relation[:2]}
    ]
    assert len(own) > 30
    assert np.mean(own) > 0.85  # by chance: 7 of 39


def test_every_pair_is_kept_with_one_weight_when_either_note_has_it_among_its_nearest() -> None:
    log = planted_log(0)
    everything, few = co_engagement(log, neighbours=100), co_engagement(log, neighbours=3)
    nearest = {
        pair
        for note in {event.item for event in log}
        for other, _ in everything.of(note)[:3]
        for pair in [(min(note, other), max(note, other))]
    }
    weights = {(one, other): weight for one, other, weight in everything}
    kept = {(one, other): weight for one, other, weight in few}
    assert all(kept[pair] == pytest.approx(weights[pair]) for pair in kept)
    # Equal weights at the edge may fall on either side.
    edges = {
        note: everything.of(note)[2][1] for note in {e.item for e in log} if len(everything.of(note)) > 2
    }
    for pair in kept.keys() ^ nearest:
        assert any(weights[pair] == pytest.approx(edges[note]) for note in pair if note in edges)


def test_the_same_log_gives_the_same_relations_in_any_order() -> None:
    log = planted_log(1)
    again = co_engagement(log[::-1])
    assert co_engagement(log).key == again.key
    assert list(co_engagement(log)) == list(again)


def test_one_note_or_none_has_no_relations() -> None:
    assert len(co_engagement([])) == 0
    assert len(co_engagement([Event("u", "a", 0.0), Event("v", "a", 1.0)])) == 0


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit", None)
    with pytest.raises(MissingExtraError, match=r"uninote\[behaviour\]"):
        co_engagement([Event("u", "a", 0.0), Event("u", "b", 0.0)])


def test_relations_are_undirected_and_rows_of_a_pair_are_summed() -> None:
    rows: list[Any] = [("b", "a", 1.0), ("a", "b", 0.5), ("a", "c", 2.0), ("c", "d", 1.5)]
    relations = Relations.summed(rows)
    assert list(relations) == [("a", "b", 1.5), ("a", "c", 2.0), ("c", "d", 1.5)]
    assert relations.of("a") == (("c", 2.0), ("b", 1.5))
    assert relations.of("nobody") == ()
    assert list(relations.within(["a", "c"])) == [("a", "c", 2.0)]
    assert list(relations.without(Relations({("a", "c"): 9.0}))) == [("a", "b", 1.5), ("c", "d", 1.5)]
    pairs = [
        pair
        for pair in combinations("abcd", 2)
        if relations.without(relations.within(pair)).key == relations.key
    ]
    assert pairs == [("a", "d"), ("b", "c"), ("b", "d")]
