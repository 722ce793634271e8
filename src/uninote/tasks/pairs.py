"""Pairs of query and positive for every task, cut from notes (method, section 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from uninote.items import Note
from uninote.settings import SftSettings
from uninote.tasks.builders import Builder
from uninote.tasks.definitions import SFT_TASKS, Pair, Task


def make_pairs(
    notes: Iterable[Note],
    task: Task,
    *,
    per_note: int | None = None,
    seed: int = 0,
    modal_replacement: bool = True,
    strict: bool = False,
) -> list[Pair]:
    """Return the pairs of one task, in the order of notes and of pictures within a note.

    A picture has no pair when an ingredient is missing: a description, usable OCR text, or, if query or
    target is a whole note, any content of the note other than the picture. Repeated pairs of a note, and
    pairs whose query equals their positive, are dropped. A graded task pairs a query with the best item of
    its ranking.

    Args:
        per_note: keep at most this many pairs per note, chosen by a hash of seed, note and picture, so that
            the choice depends neither on other notes nor on their order.
        modal_replacement: hide the picture from its note (Eq. 2). If False, I2Note and Note2I can be solved
            by matching identical pixels. False is for the ablation of Eq. 2 only, never for an evaluation.
        strict: hide the OCR lines of the hidden picture too, where the task hides one.
    """
    spec = task.spec
    build = spec.strict if strict else None if modal_replacement else spec.unhidden
    return [
        pair for note in notes for pair in _pairs_of_note(note, task, build or spec.build, per_note, seed)
    ]


def _pairs_of_note(note: Note, task: Task, build: Builder, per_note: int | None, seed: int) -> list[Pair]:
    made = [
        Pair(task, cut.query, cut.relevant[0], note.id, cut.picture, cut.counterfactual)
        for cut in build(note, seed)
    ]
    unique = {(pair.query.key, pair.positive.key): pair for pair in reversed(made)}
    pairs = [pair for (query, positive), pair in reversed(unique.items()) if query != positive]
    if per_note is None or len(pairs) <= per_note:
        return pairs
    chosen = set(sorted(range(len(pairs)), key=lambda place: lot(seed, pairs[place]))[:per_note])
    return [pair for place, pair in enumerate(pairs) if place in chosen]


def pairs_per_task(settings: SftSettings) -> int:
    """Return the most pairs of each task that the steps of stage 1 use; at least one batch."""
    return max(settings.batch_size, -(-settings.steps * settings.batch_size // len(SFT_TASKS)))


def lot(seed: int, pair: Pair) -> bytes:
    """Return the key of a random draw: a hash of seed, task, note and picture, independent of other pairs."""
    return hashlib.sha256(f"{seed}:{pair.task}:{pair.note_id}:{pair.picture}".encode()).digest()
