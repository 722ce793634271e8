"""Stored notes and samples as pages show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.gallery import samples as gallery_samples
from uninote.service.http.routes.gallery import shown
from uninote.service.http.routes.search import PREVIEW_CHARS
from uninote.service.schemas.gallery import Sample


@dataclass(frozen=True)
class NoteView:
    """The beginning of a note, and the digests of its pictures."""

    id: str
    title: str
    preview: str
    category: str
    pictures: list[str]


def notes(session: Session, ids: Iterable[str]) -> dict[str, NoteView]:
    """The stored ones among these notes, by id."""
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


def samples(session: Session, ids: Iterable[int]) -> dict[int, Sample]:
    """The stored ones among these samples, by id."""
    wanted = sorted(set(ids))
    found = gallery_samples.listing(session, ids=wanted, limit=max(1, len(wanted)))
    return {one.id: shown(one) for one in found}
