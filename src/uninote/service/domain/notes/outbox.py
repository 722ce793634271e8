"""Outbox to a vector cluster: delivery at least once, in order per note, of the final state.

A row only marks a note as changed. Delivery reads the note's current state, so a row may send later changes
too. Each change has a row of its own, hence the last delivery of a note sends its final state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event

import psycopg
import structlog
from sqlalchemy import delete, extract, func, insert, select, update
from sqlalchemy.orm import Session

from uninote.errors import UniNoteError
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import ModelVersion, NoteVector, Outbox, OutboxState, StoredNote
from uninote.service.domain.base import gallery_lock
from uninote.service.domain.base.vectors import Matrix, from_lists
from uninote.store.protocol import Record, Store

REBUILD_CHUNK = 10_000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class Change:
    """The state of a note that changed: its vector per model version, none when it was deleted."""

    note_id: str
    vectors: Mapping[str, Matrix]
    kind: str = ""
    category: str = ""
    time: datetime | None = None


@dataclass(frozen=True)
class OutboxLag:
    """Undelivered changes: number of rows, and the age of the oldest in seconds."""

    rows: int
    seconds: float


Sink = Callable[[Sequence[Change]], None]


def send(database: Database, sink: Sink, limit: int = 500) -> int:
    """Send one batch of changes, at most one per note; return how many rows were delivered.

    Returns 0 when there are no rows, or when another process is sending. `sink` makes the changes durable
    before it returns. When it raises, the next call sends the batch again.
    """
    with database.try_lock("uninote.outbox") as held:
        if held is None:
            return 0
        rows, changes = database.transaction(lambda session: _read(session, limit))
        if not rows:
            return 0
        sink(changes)
        try:
            held.execute("DELETE FROM service.outbox WHERE seq = ANY(%s)", [rows])
        except (psycopg.OperationalError, psycopg.InterfaceError):
            # Since the lock was lost, another process may have sent a newer state before this one arrived.
            # So these notes are sent again.
            database.transaction(partial(_queue, ids=[change.note_id for change in changes]))
            return 0
        return len(rows)


def follow(
    database: Database, sink: Sink, stop: Event, *, limit: int = 500, idle: float = 0.2, most: float = 30.0
) -> None:
    """Deliver changes until `stop` is set; when there are none, wait `idle` seconds.

    After an error it retries with exponential backoff, at most `most` seconds apart. So while the cluster or
    the database is unreachable the lag grows, and no change is lost.
    """
    wait = idle
    while not stop.is_set():
        try:
            if send(database, sink, limit):
                wait = idle
                continue
            wait = idle
        except UniNoteError as error:
            wait = min(most, 2 * wait)
            log.warning("outbox.delivery_failed", reason=str(error), retry_seconds=wait)
        stop.wait(wait)


def lag(session: Session) -> OutboxLag:
    """Return the number and age of the undelivered changes."""
    age = extract("epoch", func.now() - func.min(Outbox.created))
    rows, seconds = session.execute(select(func.count(), age).select_from(Outbox)).one()
    return OutboxLag(rows, float(seconds or 0))


def pending(session: Session, limit: int) -> list[str]:
    """Return the ids of up to `limit` notes with undelivered changes."""
    return list(session.scalars(select(Outbox.note_id).distinct().limit(limit)))


def rebuild(database: Database) -> int:
    """Queue every note and record all further changes; return the number of notes. Safe to repeat.

    For a cluster that is new or was emptied.
    """
    database.transaction(_want)
    total, after = 0, ""
    while ids := database.transaction(partial(_page, after=after)):
        database.transaction(partial(_queue, ids=ids))
        total, after = total + len(ids), ids[-1]
    database.transaction(_mark_filled)
    return total


def wanted(session: Session) -> bool:
    """Return whether changes are recorded, which is from the first `rebuild` until `stop`."""
    return session.scalars(select(OutboxState.wanted)).one()


def rebuilt(session: Session) -> bool:
    """Return whether a `rebuild` was completed since the last `stop`."""
    return session.scalars(select(OutboxState.wanted & OutboxState.filled_at.is_not(None))).one()


def filled(session: Session) -> bool:
    """Return whether everything that the last `rebuild` queued was delivered, so the cluster has every note.

    False before the first `rebuild`, and while one runs or was interrupted.
    """
    waits = select(Outbox.seq).where(Outbox.seq <= OutboxState.filled_at).exists()
    found = select(OutboxState.wanted, OutboxState.filled_at.is_not(None), ~waits)
    return all(session.execute(found).one())


def stop(session: Session) -> None:
    """Clear the outbox and record no change until the next `rebuild`, for a cluster that was removed."""
    gallery_lock.lock_exclusive(session)
    session.execute(update(OutboxState).values(wanted=False, filled_at=None))
    session.execute(delete(Outbox))


def store_sink(stores: Mapping[str, Store]) -> Sink:
    """Return a sink into one vector store per model version."""

    def send(changes: Sequence[Change]) -> None:
        for version, store in stores.items():
            gone = [change.note_id for change in changes if version not in change.vectors]
            records = [
                Record(
                    change.note_id,
                    change.vectors[version],
                    change.kind,
                    change.category,
                    change.time,
                    model_version=version,
                )
                for change in changes
                if version in change.vectors
            ]
            if records:
                store.upsert(records).raise_rejected()
            if gone:
                store.delete(gone)

    return send


def _want(session: Session) -> None:
    # Running ingests commit before the pages are read; later ones record their changes.
    gallery_lock.lock_exclusive(session)
    session.execute(update(OutboxState).values(wanted=True, filled_at=None))


def _mark_filled(session: Session) -> None:
    last = select(func.coalesce(func.max(Outbox.seq), 0)).scalar_subquery()
    session.execute(update(OutboxState).values(filled_at=last))


def _page(session: Session, after: str) -> list[str]:
    page = select(StoredNote.id).where(StoredNote.id > after).order_by(StoredNote.id).limit(REBUILD_CHUNK)
    return list(session.scalars(page))


def _queue(session: Session, ids: Sequence[str]) -> None:
    session.execute(insert(Outbox), [{"note_id": note_id, "deleted": False} for note_id in ids])


def _read(session: Session, limit: int) -> tuple[list[int], list[Change]]:
    rows = session.execute(select(Outbox.seq, Outbox.note_id).order_by(Outbox.seq).limit(limit)).all()
    ids = list(dict.fromkeys(note_id for _, note_id in rows))
    found = session.execute(
        select(NoteVector, ModelVersion.version)
        .join(ModelVersion, ModelVersion.id == NoteVector.model_id)
        .where(NoteVector.note_id.in_(ids))
    )
    vectors: dict[str, dict[str, NoteVector]] = {}
    for row, version in found:
        vectors.setdefault(row.note_id, {})[version] = row
    return [seq for seq, _ in rows], [_change(note_id, vectors.get(note_id, {})) for note_id in ids]


def _change(note_id: str, rows: Mapping[str, NoteVector]) -> Change:
    if not rows:
        return Change(note_id, {})
    first = next(iter(rows.values()))  # the filter columns are those of the note in every row
    vectors = {version: from_lists([row.vector])[0] for version, row in rows.items()}
    return Change(note_id, vectors, first.kind, first.category, first.time)
