"""Training data of related notes: pairs of stage 1 and rankings of stage 2, both of the task Note2Note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from uninote.corpus.relations.graph import Relations
from uninote.items import Item, Note
from uninote.tasks.content import content_key
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.halves import Halves

RELATIONS = "Relations"
"""Name of the task of related notes, which is no member of `Task`."""


def related_pairs(notes: Sequence[Note], relations: Relations, most: int, seed: int) -> list[Pair]:
    """Draw at most `most` pairs of a note and a related one, without repetition, by the relations' weights.

    Every relation gives a pair in each direction. All notes related to the query are neutral to it, drawn or
    not, and so is the query itself. Notes of equal content give no pair.
    """
    items = {note.id: note.item() for note in notes}
    found = [
        (note.id, other, weight)
        for note in notes
        for other, weight in relations.of(note.id)
        if other in items and content_key(items[other]) != content_key(items[note.id])
    ]
    if len(found) > most:
        weights = np.array([weight for *_, weight in found])
        chosen = np.random.default_rng(seed).choice(
            len(found), most, replace=False, p=weights / weights.sum()
        )
        found = [found[place] for place in sorted(chosen)]
    neutral = {item: _neutral(item, items, relations) for item in {item for item, *_ in found}}
    return [
        Pair(Task.NOTE2NOTE, items[item], items[other], item, None, neutral=neutral[item])
        for item, other, _ in found
    ]


def related_rankings(
    notes: Sequence[Note], relations: Relations | None, least: int, most: int
) -> dict[str, Halves]:
    """Return, by note id, each note's related notes as its ideal ranking: the highest weights, best first.

    Args:
        least: notes with fewer related notes have no ranking; 0: none has.
        most: notes of a ranking.
    """
    if relations is None or not least:
        return {}
    items = {note.id: note.item() for note in notes}
    made: dict[str, Halves] = {}
    for note in notes:
        own = items[note.id]
        others = [items[other] for other, _ in relations.of(note.id) if other in items]
        distinct = {item.key: item for item in others if content_key(item) != content_key(own)}
        if len(distinct) >= least:
            best = tuple(distinct.values())[:most]
            made[note.id] = Halves(own, best, neutral=_neutral(note.id, items, relations))
    return made


def _neutral(note: str, items: Mapping[str, Item], relations: Relations) -> frozenset[str]:
    """Return the keys of a note and of all notes that are related to it."""
    others = (items[other].key for other, _ in relations.of(note) if other in items)
    return frozenset((items[note].key, *others))
