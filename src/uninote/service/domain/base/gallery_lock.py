"""Advisory lock and revision counter of the gallery: they order its changes with ingests.

The revision counts changes of models, categories, thresholds and samples, which together decide a match. An
ingest holds the lock shared until it commits; a change holds it exclusively. So each note either commits
before the change, and a back-check that starts later reads the note, or it is matched with the changed
gallery. A process detects a change by the revision, which it reads together with the lock.
"""

from __future__ import annotations

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.db.gallery_tables import GalleryState

# Two statements in one round trip: the second takes its snapshot after the lock was granted.
_SHARED = """
SELECT pg_advisory_xact_lock_shared(hashtext('uninote.gallery')); SELECT revision FROM service.gallery_state
"""
_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(hashtext('uninote.gallery'))")


def lock_shared(session: Session) -> int:
    """Acquire the lock shared; return the revision, which cannot change until this transaction ends."""
    cursor = driver_of(session).execute(_SHARED)
    cursor.nextset()
    ((revision,),) = cursor.fetchall()
    return int(revision)


def lock_exclusive(session: Session) -> None:
    """Acquire the lock exclusively: wait for running ingests, block new ones until this transaction ends."""
    session.execute(_EXCLUSIVE)


def increment(session: Session) -> int:
    """Increment the revision and return it. Call this last: ingests wait from here until the commit."""
    session.flush()
    lock_exclusive(session)
    return session.scalars(
        update(GalleryState).values(revision=GalleryState.revision + 1).returning(GalleryState.revision)
    ).one()
