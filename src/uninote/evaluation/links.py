"""Links task: a note must find the notes its author linked to, a relevance that no training stage sees."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from uninote.errors import ItemError
from uninote.evaluation.suite import Query, TaskSuite, distinct, merged
from uninote.items import Item, Note
from uninote.tasks.definitions import Task


def links_task(notes: Sequence[Note]) -> TaskSuite | None:
    """Return the links task, or None when no note links to another one of the pool.

    Query: a note with links into the pool; relevant: the linked notes; excluded: the note itself. The text of
    a link is usually the title of the linked note, so titles are removed from the body of the linking note,
    both as query and as target (links are often mutual).
    """
    by_id = {note.id: note for note in notes}
    linked = {note.id: [by_id[i] for i in note.links if i in by_id and i != note.id] for note in notes}
    items: dict[str, Item] = {}
    for note in notes:
        try:
            items[note.id] = without_titles(note, [other.title for other in linked[note.id]]).item()
        except ItemError:  # the note held only the removed titles
            continue
    queries = []
    for note in notes:
        relevant = {items[other.id].key: 1 for other in linked[note.id] if other.id in items}
        if note.id in items and (relevant := {k: 1 for k in relevant if k != items[note.id].key}):
            queries.append(Query(items[note.id], note.id, relevant, frozenset({items[note.id].key})))
    if not queries:
        return None
    return TaskSuite("Links", Task.NOTE2NOTE, merged(queries), distinct(items.values()), graded=True)


def without_titles(note: Note, titles: Sequence[str]) -> Note:
    """Return the note with every given title removed from its body, whatever its case and spacing."""
    body = note.body
    for title in sorted(filter(str.strip, titles), key=len, reverse=True):
        words = title.split()
        pattern = r"\s+".join(re.escape(word) for word in words)
        start = r"\b" if words[0][0].isascii() and words[0][0].isalnum() else ""  # Chinese has no word edges
        end = r"\b" if words[-1][-1].isascii() and words[-1][-1].isalnum() else ""
        body = re.sub(start + pattern + end, " ", body, flags=re.IGNORECASE)
    return replace(note, body=body)
