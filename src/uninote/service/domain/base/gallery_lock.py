"""One counter over everything that decides a match, and the lock that orders its changes with ingests.

An ingest holds the lock shared until it commits, a change holds it alone. So every note was either committed
before the change, and is seen by a back-check that starts after it, or is matched with it.
"""

from __future__ import annotations

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.db.gallery_tables import GalleryState

CHANNEL = "uninote_gallery"
# Two statements in one round trip: the second must not see what was there before the lock was granted.
_PIN = """
SELECT pg_advisory_xact_lock_shared(hashtext('uninote.gallery')); SELECT revision FROM service.gallery_state
"""
_ALONE = text("SELECT pg_advisory_xact_lock(hashtext('uninote.gallery'))")


def lock_shared(session: Session) -> int:
    """The revision, which stays until this transaction ends."""
    cursor = driver_of(session).execute(_PIN)
    cursor.nextset()
    ((revision,),) = cursor.fetchall()
    return int(revision)


def current(session: Session) -> int:
    """The revision as committed by others or made in this transaction."""
    return session.scalars(select(GalleryState.revision)).one()


def lock_exclusive(session: Session) -> None:
    """Wait for the ingests under way, and let none begin before this transaction ends."""
    session.execute(_ALONE)


def increment(session: Session) -> int:
    """Make a new revision, and tell listeners at the commit. Call it last: ingests wait from here on."""
    session.flush()
    lock_exclusive(session)
    revision = session.scalars(
        update(GalleryState).values(revision=GalleryState.revision + 1).returning(GalleryState.revision)
    ).one()
    session.execute(select(func.pg_notify(CHANNEL, str(revision))))
    return revision
