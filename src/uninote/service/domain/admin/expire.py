"""Expiry of idempotency keys."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import Request

KEPT = timedelta(days=7)


def expire_requests(session: Session, kept: timedelta = KEPT) -> int:
    """Delete idempotency keys that were used longer ago than `kept`; return their number."""
    gone = delete(Request).where(Request.created < func.now() - kept).returning(Request.key)
    return len(session.scalars(gone).all())
