"""Right to be forgotten: deletion of a note and of everything made from it, in one transaction.

The hash of its id is kept in the audit log and in the list of forgotten ids, so that a late delivery cannot
store the note again. Earlier backups and exported files are not changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import Job, Sample, SamplePicture
from uninote.service.db.note_tables import Forgotten, NotePicture, Outbox, OutboxState, StoredNote
from uninote.service.domain.base import audit, gallery_lock
from uninote.service.domain.base.pictures import drop_unused
from uninote.service.domain.notes import search_inputs


def forgotten(session: Session, ids: Iterable[str]) -> set[str]:
    """Return which of the ids were forgotten on request."""
    by_hash = {audit.id_hash(note_id): note_id for note_id in ids}
    known = session.scalars(select(Forgotten.id_hash).where(Forgotten.id_hash.in_(by_hash)))
    return {by_hash[each] for each in known}


def forget(session: Session, note_ids: Sequence[str], actor: str) -> int:
    """Delete notes with vectors, matches, reviews, job hits, pictures and the gallery samples made from them.

    Returns how many were stored. Ids that are not stored are barred as well.
    """
    ids = sorted(set(note_ids))
    hashes = [{"id_hash": audit.id_hash(note_id)} for note_id in ids]
    if not ids:
        return 0
    # Once this lock is held, an ingest of one of them has committed, or will find it barred.
    gallery_lock.lock_exclusive(session)
    session.execute(upsert(Forgotten).values(hashes).on_conflict_do_nothing())
    shown = select(NotePicture.digest).where(NotePicture.note_id.in_(ids))
    made = select(Sample.id).where(Sample.source_note.in_(ids))
    sampled = select(SamplePicture.digest).where(SamplePicture.sample_id.in_(made))
    digests = set(session.scalars(shown.union(sampled)))
    samples = session.scalars(delete(Sample).where(Sample.source_note.in_(ids)).returning(Sample.id)).all()
    gone = delete(StoredNote).where(StoredNote.id.in_(ids)).returning(StoredNote.id)
    present = session.scalars(gone).all()
    drop_unused(session, digests)
    search_inputs.forget(session, digests)
    session.execute(delete(Outbox).where(Outbox.note_id.in_(ids)))
    if session.scalars(select(OutboxState.wanted)).one():
        session.execute(insert(Outbox), [{"note_id": note_id, "deleted": True} for note_id in ids])
    # The cursor of a job is the id of its last note; if that note is deleted, it moves to the one before.
    before = select(func.coalesce(func.max(StoredNote.id), "")).where(StoredNote.id < Job.cursor)
    session.execute(update(Job).where(Job.cursor.in_(ids)).values(cursor=before.scalar_subquery()))
    for note_id in ids:
        audit.record(session, actor, "note.forget", audit.note_subject(note_id))
    if samples:
        gallery_lock.increment(session)
    return len(present)
