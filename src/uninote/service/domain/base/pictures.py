"""Garbage collection of picture bytes that no note and no sample uses."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import SamplePicture
from uninote.service.db.note_tables import NotePicture, StoredPicture


def drop_unused(session: Session, digests: Collection[str]) -> int:
    """Delete those pictures of `digests` that no note and no sample uses; return their number."""
    statement = delete(StoredPicture).where(
        StoredPicture.digest.in_(digests),
        ~select(NotePicture.digest).where(NotePicture.digest == StoredPicture.digest).exists(),
        ~select(SamplePicture.digest).where(SamplePicture.digest == StoredPicture.digest).exists(),
    )
    return len(session.scalars(statement.returning(StoredPicture.digest)).all())
