"""Relations task: a note must find its related notes, e.g. those that the same users engage with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uninote.corpus.relations.behaviour import Behaviour
from uninote.corpus.relations.graph import Relations
from uninote.evaluation.suite import ExtraTask, Query, TaskSuite, distinct, merged
from uninote.items import Note
from uninote.tasks.definitions import Task
from uninote.tasks.related import RELATIONS

GRADES = 4
"""Number of grades that weights become."""


def relations_task(
    notes: Sequence[Note], relations: Relations, seen: Relations | None = None
) -> TaskSuite | None:
    """Return the relations task, or None when no two notes of the pool are related.

    Query: a note with related notes; relevant: these, by `grades`; excluded: the note itself and the pairs of
    `seen`. The pool is all notes.
    """
    items = {note.id: note.item() for note in notes}
    relations = relations.within(items)
    grade = grades(relations)
    queries = []
    for note in notes:
        own = items[note.id].key
        relevant = {
            items[other].key: grade[min(note.id, other), max(note.id, other)]
            for other, _ in reversed(relations.of(note.id))
        }
        relevant.pop(own, None)
        if relevant:
            known = {items[other].key for other, _ in (seen.of(note.id) if seen else ()) if other in items}
            excluded = frozenset({own, *known} - relevant.keys())
            queries.append(Query(items[note.id], note.id, relevant, excluded))
    if not queries:
        return None
    return TaskSuite(RELATIONS, Task.NOTE2NOTE, merged(queries), distinct(items.values()), graded=True)


def grades(relations: Relations) -> dict[tuple[str, str], int]:
    """Return a grade from 1 to `GRADES` by pair of ids, the smaller first: one more than the quantiles below.

    The quantiles are those of all weights at equal shares (quarters). Equal weights have equal grades; if all
    are equal, the grade is 1.
    """
    weights = np.array([relation.weight for relation in relations])
    edges = np.quantile(weights, np.arange(1, GRADES) / GRADES, method="lower") if len(weights) else weights
    return {
        (item, other): 1 + int(np.searchsorted(edges, weight, side="left"))
        for item, other, weight in relations
    }


def relation_tasks(behaviour: Behaviour | None) -> list[ExtraTask]:
    """Return the builder of the relations task for `build_suite`, if there are relations."""
    if behaviour is None:
        return []

    def build(notes: Sequence[Note]) -> TaskSuite | None:
        return relations_task(notes, *behaviour.measured(notes))

    return [build]
