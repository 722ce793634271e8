"""Advisory lock and revision counter of the gallery: they order its changes with ingests.

The revision counts changes of everything that decides a match. An ingest holds the lock shared until it
commits, a change holds it exclusively. So every note was either committed before the change, and is seen by a
back-check that starts after it, or is matched with it. Processes learn of a change from the revision, which
each of them reads with the lock.
"""

from __future__ import annotations

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.db.gallery_tables import GalleryState

# Two statements in one round trip: the second must not see what was there before the lock was granted.
_SHARED = """
SELECT pg_advisory_xact_lock_shared(hashtext('uninote.gallery')); SELECT revision FROM service.gallery_state
"""
_EXCLUSIVE = text("SELECT pg_advisory_xact_lock(hashtext('uninote.gallery'))")


def lock_shared(session: Session) -> int:
    """Return the revision, which stays until this transaction ends."""
    cursor = driver_of(session).execute(_SHARED)
    cursor.nextset()
    ((revision,),) = cursor.fetchall()
    return int(revision)


def lock_exclusive(session: Session) -> None:
    """Wait for the running ingests, and let none begin before this transaction ends."""
    session.execute(_EXCLUSIVE)


def increment(session: Session) -> int:
    """Make a new revision and return it. Call it last: ingests wait from here until the commit."""
    session.flush()
    lock_exclusive(session)
    return session.scalars(
        update(GalleryState).values(revision=GalleryState.revision + 1).returning(GalleryState.revision)
    ).one()
