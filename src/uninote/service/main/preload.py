"""Preload of notes before the first request, in batches; notes that are stored already are skipped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.errors import ItemError
from uninote.items import Item, Note
from uninote.service.app.model_sync import ACTOR
from uninote.service.app.services import Services
from uninote.service.concurrency.batcher import Vector
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.notes import forget, ingest
from uninote.service.domain.notes.ingest_types import Incoming
from uninote.store.read_vectors import vectors_of

LOOKED_UP = 1000


async def store_all(services: Services, notes: Sequence[Note]) -> dict[str, int]:
    """Store notes; return their numbers by outcome: created, updated, unchanged, rejected.

    The entry `reused` is the number of vectors taken from the index in the same database, without encoding.
    """
    counts: Counter[str] = Counter()
    size = services.options.max_batch
    for start in range(0, len(notes), size):
        batch = {note.id: note for note in notes[start : start + size]}
        fresh = await _fresh(services, batch)
        counts["unchanged"] += len(batch) - len(fresh)
        counts.update(await _store(services, fresh))
        services.log.info("storing notes", done=min(start + size, len(notes)), total=len(notes))
    return dict(counts)


async def _fresh(services: Services, batch: dict[str, Note]) -> list[Note]:
    """Return the notes that are new or have new content."""

    def work(session: Session) -> dict[str, str]:
        columns = select(StoredNote.id, StoredNote.content_key).where(StoredNote.id.in_(batch))
        return dict(session.execute(columns).tuples().all())

    known = await services.transaction(work)
    return [note for note in batch.values() if known.get(note.id) != note.item().key]


async def _store(services: Services, notes: list[Note], partly: bool = True) -> Counter[str]:
    """Store notes. `partly`: one that cannot be embedded is stored without the pictures that cannot."""
    if not notes:
        return Counter()
    versions = services.model_sync.written()
    counts: Counter[str] = Counter()
    rows = [await _vectors(services, notes, version, counts) for version in versions]
    incoming = []
    failed: dict[str, tuple[Note, str]] = {}
    for number, note in enumerate(notes):
        found = {version: row[number] for version, row in zip(versions, rows, strict=True)}
        vectors = {version: row for version, row in found.items() if not isinstance(row, ItemError)}
        if len(vectors) == len(versions):
            incoming.append(Incoming(note, vectors))
        else:
            failed[note.id] = note, next(str(row) for row in found.values() if isinstance(row, ItemError))
    smaller: list[Note] = []
    if failed and partly:
        embed = partial(services.embedding.embed_each, version=versions[0])
        smaller = await without_bad_pictures(embed, [note for note, _ in failed.values()])
    for note in smaller:
        _, reason = failed.pop(note.id)
        services.log.warning("note stored without a picture", note=note.id, reason=reason)
    for note_id, (_, reason) in failed.items():
        services.log.warning("note rejected", note=note_id, code=ItemError.code, reason=reason)
    outcomes = await services.database_executor.run(
        ingest.ingest,
        services.database,
        services.matcher,
        incoming,
        ACTOR,
        keep_pictures=services.options.keep_pictures,
    )
    for outcome in outcomes:
        if outcome.status == "rejected":
            services.log.warning("note rejected", note=outcome.id, code=outcome.code, reason=outcome.reason)
    counts += Counter({"rejected": len(failed)}) + Counter(outcome.status for outcome in outcomes)
    return counts + await _store(services, smaller, partly=False)


async def without_bad_pictures(
    embed: Callable[[Sequence[Item]], Awaitable[Sequence[Vector | ItemError]]], notes: Sequence[Note]
) -> list[Note]:
    """Return the notes without the pictures that cannot be embedded alone; one of which that leaves nothing,
    or everything, is left out."""
    pictures = {picture.digest: picture for note in notes for picture in note.pictures}
    rows = await embed([Item.of(picture) for picture in pictures.values()]) if pictures else []
    good = {digest for digest, row in zip(pictures, rows, strict=True) if not isinstance(row, ItemError)}
    smaller = []
    for note in notes:
        kept = tuple(picture for picture in note.pictures if picture.digest in good)
        if len(kept) < len(note.pictures) and (kept or note.title.strip() or note.body.strip()):
            smaller.append(note.with_pictures(kept))
    return smaller


async def _vectors(
    services: Services, notes: Sequence[Note], version: str, counts: Counter[str]
) -> list[Vector | ItemError]:
    """Return a vector per note: the index's one if its content is the same, else a new one."""
    items = {note.id: note.item() for note in notes}
    keys = {note_id: item.key for note_id, item in items.items()}
    indexed = await services.database_executor.run(_indexed, services.database, keys, version)
    dim = services.models.get(version).dims[-1]  # the index may have been made again with another
    known = {note_id: vector for note_id, vector in indexed.items() if len(vector) == dim}
    counts["reused"] += len(known)
    missing = [note_id for note_id in items if note_id not in known]
    made = (
        await services.embedding.embed_each([items[note_id] for note_id in missing], version)
        if missing
        else []
    )
    found: dict[str, Vector | ItemError] = {**known, **dict(zip(missing, made, strict=True))}
    return [found[note.id] for note in notes]


def _indexed(database: Database, keys: dict[str, str], version: str) -> dict[str, Vector]:
    with database.connect() as connection:
        return vectors_of(connection, keys, version)


def unstored(database: Database, file: Path) -> set[str]:
    """Return the ids in a JSONL file of notes that are neither stored nor forgotten; reads no pictures."""
    ids: list[str] = []
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            with suppress(ValueError, TypeError, LookupError):  # the reader of notes reports bad lines
                ids.append(str(json.loads(line)["id"]))
    missing: set[str] = set()
    for start in range(0, len(ids), LOOKED_UP):
        page = ids[start : start + LOOKED_UP]
        missing |= set(page) - database.transaction(partial(_known, ids=page))
    return missing


def _known(session: Session, ids: Sequence[str]) -> set[str]:
    stored = session.scalars(select(StoredNote.id).where(StoredNote.id.in_(ids)))
    return set(stored) | forget.forgotten(session, ids)
