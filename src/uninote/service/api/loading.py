"""Notes that are stored before the first request, in batches; what is stored already is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.errors import ItemError
from uninote.items import Note
from uninote.service.api.runtime import ACTOR, Runtime
from uninote.service.db.corpus import StoredNote
from uninote.service.domain import ingest
from uninote.service.domain.outcome import Incoming


async def store_all(runtime: Runtime, notes: Sequence[Note]) -> dict[str, int]:
    """How many notes were created, updated, unchanged or rejected; the reason of each rejection is logged."""
    counts: Counter[str] = Counter()
    size = runtime.options.max_batch
    for start in range(0, len(notes), size):
        batch = {note.id: note for note in notes[start : start + size]}
        fresh = await _fresh(runtime, batch)
        counts["unchanged"] += len(batch) - len(fresh)
        counts.update(await _store(runtime, fresh))
        runtime.log.info("storing notes", done=min(start + size, len(notes)), total=len(notes))
    return dict(counts)


async def _fresh(runtime: Runtime, batch: dict[str, Note]) -> list[Note]:
    """The notes that are not stored with the same content."""

    def work(session: Session) -> dict[str, str]:
        columns = select(StoredNote.id, StoredNote.content_key).where(StoredNote.id.in_(batch))
        return dict(session.execute(columns).tuples().all())

    known = await runtime.run(work)
    return [note for note in batch.values() if known.get(note.id) != note.item().key]


async def _store(runtime: Runtime, notes: list[Note]) -> Counter[str]:
    if not notes:
        return Counter()
    versions = runtime.written()
    items = [note.item() for note in notes]
    rows = await asyncio.gather(*(runtime.embed(items, version) for version in versions))
    incoming = []
    bad = 0
    for number, note in enumerate(notes):
        found = {version: row[number] for version, row in zip(versions, rows, strict=True)}
        vectors = {version: row for version, row in found.items() if not isinstance(row, ItemError)}
        if len(vectors) == len(versions):
            incoming.append(Incoming(note, vectors))
        else:
            bad += 1
    outcomes = await runtime.pool.run(
        ingest.ingest,
        runtime.database,
        runtime.matcher,
        incoming,
        ACTOR,
        keep_pictures=runtime.options.keep_pictures,
    )
    for outcome in outcomes:
        if outcome.status == "rejected":
            runtime.log.warning("note rejected", code=outcome.code, reason=outcome.reason)
    return Counter({"rejected": bad}) + Counter(outcome.status for outcome in outcomes)
