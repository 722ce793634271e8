"""The audit log: who did what to what. Rows are only ever added; a trigger refuses the rest.

A note is named by the hash of its id, so that the log needs no cleaning when the note is forgotten, and
who knows the id can still find what happened to it.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import Audit


def id_hash(note_id: str) -> str:
    """Return sha256 hex of a note's id."""
    return hashlib.sha256(note_id.encode("utf-8", "surrogatepass")).hexdigest()


def note_subject(note_id: str) -> str:
    """Return the subject under which the log names a note."""
    return f"note:{id_hash(note_id)}"


def record(session: Session, actor: str, action: str, subject: str, **details: Any) -> None:
    """Add a row; it commits with what it describes."""
    session.execute(insert(Audit).values(actor=actor, action=action, subject=subject, details=details))


def entries(
    session: Session,
    *,
    subject: str | None = None,
    action: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Audit]:
    """Return rows, the newest first; `before` is the id of the last row of the previous page."""
    query = select(Audit).order_by(Audit.id.desc()).limit(limit)
    if subject is not None:
        query = query.where(Audit.subject == subject)
    if action is not None:
        query = query.where(Audit.action == action)
    if before is not None:
        query = query.where(Audit.id < before)
    return list(session.scalars(query))
