"""Agreement with people's filing of notes: same chapter, and same topic across languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from uninote.errors import ItemError
from uninote.evaluation.suite import Query, TaskSuite, distinct, merged
from uninote.items import Item, Note
from uninote.tasks.definitions import Task
from uninote.tasks.replacement import mask_note


def chapters_task(notes: Sequence[Note]) -> TaskSuite | None:
    """Return the chapters task, or None when no two notes share a chapter.

    Query: a note with tags; relevant: the other notes of the same category and tags. Category and tags are
    masked in every note, because "Chapter 3: introduction" would name the answer. Notes without tags are only
    targets.
    """
    names = {text for note in notes for text in (note.category, *note.tags) if text.strip()}
    items = _items(
        notes, lambda note: mask_note(note, [t for t in (note.category, *note.tags) if t in names])
    )
    return _same(
        "Chapters", notes, items, lambda note: (note.category, note.tags) if note.tags else None, notes
    )


def language_tasks(notes: Sequence[Note]) -> list[TaskSuite]:
    """Return one task per language: a note must find the notes of its category in other languages.

    Targets are the notes of all other languages together; a task is named `zh → others`. Notes without a
    language or a category are left out. Languages without a category in common with another have no task.
    """
    filed = [note for note in notes if note.lang and note.category]
    items = _items(filed, lambda note: note)
    tasks = []
    for lang in sorted({note.lang for note in filed}):
        others = [note for note in filed if note.lang != lang]
        own = [note for note in filed if note.lang == lang]
        names = sorted({note.lang for note in others})
        name = f"{lang} → {names[0] if len(names) == 1 else 'others'}"
        task = _same(name, own, items, lambda note: note.category, others)
        if task is not None:
            tasks.append(task)
    return tasks


def _items(notes: Sequence[Note], masked: Callable[[Note], Note]) -> dict[str, Item]:
    items = {}
    for note in notes:
        try:
            items[note.id] = masked(replace(note)).item()
        except ItemError:  # the note held only the name of its chapter
            continue
    return items


def _same(
    name: str,
    notes: Sequence[Note],
    items: dict[str, Item],
    group: Callable[[Note], Hashable | None],
    pool: Sequence[Note],
) -> TaskSuite | None:
    """Return a task of `notes`; relevant: pool notes of the same group; excluded: the note itself."""
    members: dict[Hashable, list[str]] = defaultdict(list)
    for note in pool:
        if note.id in items and (key := group(note)) is not None:
            members[key].append(items[note.id].key)
    queries = []
    for note in notes:
        if note.id not in items or (key := group(note)) is None:
            continue
        own = items[note.id]
        relevant = {found: 1 for found in members.get(key, ()) if found != own.key}
        if relevant:
            queries.append(Query(own, note.id, relevant, frozenset({own.key})))
    targets = distinct(items[note.id] for note in pool if note.id in items)
    return TaskSuite(name, Task.NOTE2NOTE, merged(queries), targets, graded=True) if queries else None
