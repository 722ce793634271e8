"""Backfill: encodes stored notes and samples for a model version that has no vectors of them yet.

It runs while new notes arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import ArrayLike
from sqlalchemy.orm import Session

from uninote.errors import UniNoteError
from uninote.items import Item
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base import gallery_lock, payload
from uninote.service.domain.base.vectors import Float16, as_parameter, float16_unit
from uninote.service.domain.gallery import samples, versions
from uninote.service.errors import ConflictError

BATCH = 64

Encode = Callable[[Sequence[Item]], ArrayLike]
"""Items to vectors [n, dim], as `Encoder.encode`."""

# A note that changed since it was read is left out: its ingest stored a vector, or the next run encodes it.
_STORE = """
WITH fresh AS (
    SELECT * FROM unnest(%(ids)s::text[], %(keys)s::text[], %(vectors)b::halfvec[])
        AS row (id, content_key, vector)
), note AS (
    SELECT note.*, fresh.vector FROM service.notes AS note JOIN fresh USING (id, content_key)
    ORDER BY note.id FOR SHARE OF note
), stored AS (
    INSERT INTO service.vectors AS old (note_id, model_id, content_key, vector, kind, category, time)
    SELECT id, %(model)s, content_key, vector, kind, category, time FROM note
    ON CONFLICT (note_id, model_id) DO UPDATE SET content_key = EXCLUDED.content_key,
        vector = EXCLUDED.vector, kind = EXCLUDED.kind, category = EXCLUDED.category, time = EXCLUDED.time
    WHERE old.content_key <> EXCLUDED.content_key
    RETURNING note_id
)
, sent AS (
    INSERT INTO service.outbox (note_id, deleted) SELECT note_id, false FROM stored
    WHERE (SELECT wanted FROM service.outbox_state)
)
SELECT note_id FROM stored
"""


@dataclass
class Backfill:
    """Result of a run: numbers of vectors stored, and the reason per id that could not be encoded."""

    notes: int = 0
    samples: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def backfill(
    database: Database,
    version: str,
    encode: Encode,
    actor: str,
    *,
    batch: int = BATCH,
    progress: Callable[[Backfill], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Backfill:
    """Encode every sample and note without a vector of this version; a complete version becomes a shadow.

    After an interruption, call it again: it skips content that has a vector. Raises NotFoundError for an
    unknown version, ConflictError for a retired one.
    """
    model = database.transaction(lambda session: versions.get(session, version))
    if model.state == "retired":
        raise ConflictError(f"model version {version!r} is retired; add it again first")
    report = Backfill()
    missing = database.transaction(lambda session: versions.missing_samples(session, model))
    for start in range(0, len(missing), batch):
        if stop():
            return report
        page = missing[start : start + batch]
        items = database.transaction(partial(_items_of_samples, page=page))
        vectors = _encoded(items, encode, model.dim, report)
        found = {int(name): vector for name, vector in vectors.items()}
        database.transaction(partial(samples.add_sample_vectors, version=version, vectors=found))
        report.samples += len(vectors)
        progress(report)
    after = ""
    while not stop():
        ids = database.transaction(partial(versions.missing_notes, model=model, after=after, limit=batch))
        if not ids:
            break
        notes = database.transaction(partial(payload.load_notes, ids=ids))
        items = {note.id: note.item() for note in notes.values()}
        vectors = _encoded(items, encode, model.dim, report)
        report.notes += database.transaction(partial(_store, model=model, items=items, vectors=vectors))
        after = ids[-1]
        progress(report)
    if not stop() and not report.failed:
        # A conflict: a caller stored notes with the old version's vector only. The next run encodes them.
        with suppress(ConflictError):
            database.transaction(lambda session: versions.mark_filled(session, version, actor))
    return report


def _items_of_samples(session: Session, page: Sequence[int]) -> dict[str, Item]:
    return {str(sample_id): item for sample_id, item in payload.load_items(session, page).items()}


def _encoded(items: Mapping[str, Item], encode: Encode, dim: int, report: Backfill) -> dict[str, Float16]:
    """Return vectors by id; an item that cannot be encoded is added to `report.failed` and skipped."""
    names = sorted(items)
    try:
        rows = np.asarray(encode([items[name] for name in names]))
        return {name: float16_unit(row, dim) for name, row in zip(names, rows, strict=True)}
    except UniNoteError as error:
        if len(names) == 1:
            report.failed[names[0]] = str(error)
            return {}
    return {
        name: vector
        for single in names
        for name, vector in _encoded({single: items[single]}, encode, dim, report).items()
    }


def _store(
    session: Session, model: ModelVersion, items: Mapping[str, Item], vectors: Mapping[str, Float16]
) -> int:
    gallery_lock.lock_shared(
        session
    )  # so that the outbox is not enabled between reading its state and commit
    values = {
        "model": model.id,
        "ids": list(vectors),
        "keys": [items[note_id].key for note_id in vectors],
        "vectors": [as_parameter(vector) for vector in vectors.values()],
    }
    return len(session.connection().exec_driver_sql(_STORE, values).all()) if vectors else 0
