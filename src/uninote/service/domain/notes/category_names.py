"""Hint for a search whose filter names categories that no stored note has."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.hints import nearest
from uninote.service.db.note_tables import NoteVector
from uninote.service.domain.gallery import versions


def unknown_categories(session: Session, version: str, wanted: Sequence[str]) -> str | None:
    """Return a sentence on the first category that no note of this model has; None when all have one."""
    model = versions.get(session, version)
    known = set(
        session.scalars(select(NoteVector.category).where(NoteVector.model_id == model.id).distinct())
    )
    missing = next((name for name in wanted if name not in known), None)
    return None if missing is None else f"no note has category {missing!r}; {nearest(missing, known)}"
