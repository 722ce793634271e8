"""Hard pools: distractors from the whole corpus, and near misses, for the queries of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from uninote.evaluation.protocols import Floats
from uninote.evaluation.task_suite import TaskSuite, distinct
from uninote.evaluation.variants import Variant
from uninote.items import Item, Note, standing
from uninote.tasks.definitions import NOTE_TASKS, UNEDITED, Task

NEAREST = 50
"""Notes whose targets are the near misses of a query."""
CORPUS_TASKS = (*UNEDITED, Task.NOTE2NOTE)
"""Tasks with the whole corpus as pool. The targets of the others are of edited copies."""
NEAR_TASKS = (*NOTE_TASKS, Task.NOTE2NOTE)
"""Tasks with near misses: those that a note takes part in."""

NoteRows = Callable[[Sequence[Note]], Floats]
"""Function from n notes to unit rows, float32 `[n, d]`; a row of zeros for a note that it cannot read."""


class Distractors:
    """Notes that no query is about, as targets; those of one kind are made once for all tasks."""

    def __init__(self, notes: Sequence[Note]) -> None:
        self.notes = tuple(notes)
        self._made: dict[str, dict[str, tuple[Item, ...]]] = {}

    def targets(self, task: Task) -> dict[str, tuple[Item, ...]]:
        """Return the targets of every note by its id."""
        kind = task.spec.target
        if kind not in self._made:
            self._made[kind] = {note.id: targets_of(note, task) for note in self.notes}
        return self._made[kind]


def targets_of(note: Note, task: Task) -> tuple[Item, ...]:
    """Return a note as targets of a task: the whole note, each of its pictures, or each description."""
    match task.spec.target:
        case "Note":
            return (note.item(),)
        case "I":
            return distinct(Item.of(note.pictures[n]) for n in standing(note.pictures))
        case _:
            texts = (note.pictures[n].description for n in standing(note.pictures))
            return distinct(Item.of(text) for text in texts if text.strip())


def corpus_task(task: TaskSuite, distractors: Distractors) -> TaskSuite:
    """Return the task with the distractors in its pool; one that equals a target is that target."""
    more = (item for items in distractors.targets(task.instruction).values() for item in items)
    return replace(task, name=Variant.CORPUS.of(task.instruction), targets=distinct([*task.targets, *more]))


def near_task(
    task: TaskSuite, distractors: Distractors, nearest: Mapping[str, Sequence[str]], count: int = NEAREST
) -> TaskSuite:
    """Return the task with a pool for each query: its relevant targets, and those of the nearest notes.

    Notes without a target are passed over. A query without a near miss is left out.

    Args:
        nearest: ids of other notes by note id, the nearest first (`nearest_notes`).
    """
    others = distractors.targets(task.instruction)
    keys = {**task.by_note, **{note: frozenset(item.key for item in items) for note, items in others.items()}}
    queries = []
    for query in task.queries:
        near = [found for note in nearest[query.note_id] if (found := keys.get(note))]
        pool = frozenset(query.relevant).union(*near[:count])
        if len(pool) > len(query.relevant):
            queries.append(replace(query, pool=pool))
    used = frozenset().union(*(query.pool or () for query in queries))
    known = distinct([*task.targets, *(item for items in others.values() for item in items)])
    targets = tuple(target for target in known if target.key in used)
    return replace(task, name=Variant.NEAR.of(task.instruction), queries=tuple(queries), targets=targets)


def nearest_notes(notes: Sequence[Note], others: Sequence[Note], rows: NoteRows) -> dict[str, list[str]]:
    """Return, for each of `notes`, the ids of all other notes of its category by cosine, the nearest first.

    Others are those of `notes` and `others`; of equal cosines the earlier note comes first.
    """
    pool = [*notes, *others]
    vectors = rows(pool)
    places: dict[str, list[int]] = defaultdict(list)
    for place, note in enumerate(pool):
        places[note.category].append(place)
    found = {}
    for place, note in enumerate(notes):
        same = np.array([other for other in places[note.category] if other != place], dtype=np.int64)
        order = np.argsort(-(vectors[same] @ vectors[place]), kind="stable")
        found[note.id] = [pool[other].id for other in same[order]]
    return found
