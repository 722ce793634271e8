"""Stored notes as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.app.search import PREVIEW_CHARS
from uninote.service.db.note_tables import StoredNote


@dataclass(frozen=True)
class NoteView:
    """The beginning of a note, and the digests of its pictures."""

    id: str
    title: str
    preview: str
    category: str
    pictures: list[str]


def notes(session: Session, ids: Iterable[str]) -> dict[str, NoteView]:
    """Return the stored ones among these notes, by id."""
    found = session.scalars(select(StoredNote).where(StoredNote.id.in_(set(ids))))
    return {
        note.id: NoteView(
            id=note.id,
            title=note.payload["title"],
            preview=note.payload["body"][:PREVIEW_CHARS],
            category=note.category,
            pictures=[picture["digest"] for picture in note.payload["pictures"]],
        )
        for note in found
    }
