"""Audit log: the actor, action and subject of every change. It is append-only; a trigger enforces this.

A note is named by the hash of its id. So the log holds nothing to erase when the note is forgotten, and a
reader who knows the id can still find the note's entries.
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
    """Add a row in the transaction of the change that it describes."""
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
