"""Items of a match: the stored content of its note and its sample, which an explanation encodes again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from uninote.items import Item
from uninote.service.db.gallery_tables import Match
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base import payload
from uninote.service.errors import NotFoundError


@dataclass(frozen=True)
class Sides:
    """Both items of a match, and the model version that made it; None when the version is retired."""

    note: Item
    sample: Item
    version: str | None


def sides(session: Session, match_id: int) -> Sides:
    """Return both items of a match. Raises NotFoundError for a match that no longer exists."""
    match = session.get(Match, match_id)
    if match is None:
        raise NotFoundError(f"there is no match {match_id}; its note may have changed or been deleted")
    model = session.get(ModelVersion, match.model_id)
    assert model is not None, "a foreign key"
    version = None if model.state == "retired" else model.version
    return Sides(note_item(session, match.note_id), sample_item(session, match.sample_id), version)


def note_item(session: Session, note_id: str) -> Item:
    """Return the item of a stored note. Raises NotFoundError."""
    found = payload.load_notes(session, [note_id]).get(note_id)
    if found is None:
        raise NotFoundError("no note is stored under this id")
    return found.item()


def sample_item(session: Session, sample_id: int) -> Item:
    """Return the item of a gallery sample. Raises NotFoundError."""
    found = payload.load_items(session, [sample_id]).get(sample_id)
    if found is None:
        raise NotFoundError(f"there is no gallery sample {sample_id}")
    return found
