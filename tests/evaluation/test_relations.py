"""Relations task: grades by weight, and what is neither right nor wrong."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.corpus.relations.graph import Relations
from uninote.evaluation.relations import grades, relations_task
from uninote.evaluation.scoring import per_query
from uninote.items import Note

NOTES = [Note(name, f"title {name}", "body") for name in "abcde"]
ITEMS = {note.id: note.item() for note in NOTES}


def test_grades_are_quarters_of_the_weights() -> None:
    weights = {("a", str(n)): float(n) for n in range(1, 9)}
    assert list(grades(Relations(weights)).values()) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert set(grades(Relations({("a", "b"): 7.0, ("a", "c"): 7.0})).values()) == {1}
    tied = {("a", "b"): 1.0, ("a", "c"): 1.0, ("a", "d"): 1.0, ("a", "e"): 5.0}
    assert list(grades(Relations(tied)).values()) == [1, 1, 1, 4]
    assert grades(Relations()) == {}


def test_related_notes_are_relevant_and_known_pairs_and_the_note_itself_are_out() -> None:
    relations = Relations({("a", "b"): 1.0, ("a", "c"): 4.0, ("a", "elsewhere"): 9.0})
    task = relations_task(NOTES, relations, Relations({("a", "d"): 1.0, ("c", "elsewhere"): 1.0}))
    assert task is not None
    assert task.graded
    assert [query.note_id for query in task.queries] == ["a", "b", "c"]
    assert task.queries[0].relevant == {ITEMS["b"].key: 1, ITEMS["c"].key: 4}
    assert task.queries[0].excluded == {ITEMS["a"].key, ITEMS["d"].key}
    assert task.queries[2].excluded == {ITEMS["c"].key}
    assert task.targets == tuple(ITEMS.values())
    # Ranked c, e, b: all relevant notes among three; the better one first.
    places = [task.index[ITEMS[name].key] for name in "ceb"]
    values = per_query(task, np.array([places, [-1] * 3, [-1] * 3]), [1, 3])
    assert values["recall@3"].tolist() == [1, 0, 0]
    assert values["ndcg@3"][0] == pytest.approx((4 + 1 / 2) / (4 + 1 / np.log2(3)))


def test_none_without_relations_in_the_pool_or_between_equal_notes() -> None:
    assert relations_task(NOTES, Relations({("a", "elsewhere"): 1.0})) is None
    copies = [Note("a", "t", "b"), Note("b", "t", "b")]
    assert relations_task(copies, Relations({("a", "b"): 1.0})) is None
