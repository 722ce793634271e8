"""Writer of relations as CSV, and the links of notes as relations."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from uninote.corpus.relations.graph import Relation, Relations
from uninote.files import write_atomic
from uninote.items import Note


def linked(notes: Sequence[Note]) -> Relations:
    """Return the links between these notes as relations: weight 1, or 2 where both link to the other."""
    ids = {note.id for note in notes}
    rows = {(note.id, other) for note in notes for other in note.links if other in ids and other != note.id}
    return Relations.summed(Relation(item, other, 1.0) for item, other in rows)


def write_relations(relations: Relations, path: Path) -> None:
    """Write `item,other,weight` with a row per pair; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(Relation._fields)
        rows.writerows(relations)
