"""Agreement with how people filed the notes: same chapter, and same topic across languages."""

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
    """Query: a note with tags; relevant: the others of the same category and the same tags.

    Category and tags are masked in every note, for "Chapter 3: introduction" would say where it belongs.
    Notes without tags stand in the pool. None when no two notes share a chapter.
    """
    names = {text for note in notes for text in (note.category, *note.tags) if text.strip()}
    items = _items(
        notes, lambda note: mask_note(note, [t for t in (note.category, *note.tags) if t in names])
    )
    return _same(
        "Chapters", notes, items, lambda note: (note.category, note.tags) if note.tags else None, notes
    )


def language_tasks(notes: Sequence[Note]) -> list[TaskSuite]:
    """One task for each language that has enough company: a note finds those of its category in another.

    Targets are the notes of all other languages together, named `zh → others`. Notes without a language or a
    category are left out. Empty when no category is written about in two languages.
    """
    told = [note for note in notes if note.lang and note.category]
    items = _items(told, lambda note: note)
    tasks = []
    for lang in sorted({note.lang for note in told}):
        others = [note for note in told if note.lang != lang]
        own = [note for note in told if note.lang == lang]
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
        except ItemError:  # nothing but its chapter's name
            continue
    return items


def _same(
    name: str,
    notes: Sequence[Note],
    items: dict[str, Item],
    group: Callable[[Note], Hashable | None],
    pool: Sequence[Note],
) -> TaskSuite | None:
    """Queries of `notes`; relevant: those of the pool in the same group; excluded: the note itself."""
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
