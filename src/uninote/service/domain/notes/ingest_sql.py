"""SQL statements of an ingest. A batch of any size takes the same few round trips.

Rows are always locked in id order, so two ingests cannot deadlock on notes. The lock on a note is held until
commit, so the outbox numbers of one id are in the order of its commits.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from uninote.service.db.engine import driver_of
from uninote.service.domain.base import audit, payload, pictures
from uninote.service.domain.base.vectors import as_parameter
from uninote.service.domain.notes.ingest_columns import match_columns, note_columns, vector_columns
from uninote.service.domain.notes.ingest_types import (
    Checked,
    Outcome,
    SampleHit,
    Status,
    created,
    hits_of,
    rejected,
)

# Stored notes are locked in id order. A forgotten note has no row, only its hash in service.forgotten.
_LOCK_KNOWN = """
WITH known AS (
    SELECT id, content_key FROM service.notes WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE
)
SELECT id, content_key, false FROM known
UNION ALL SELECT id_hash, '', true FROM service.forgotten WHERE id_hash = ANY(%(hashes)s::text[])
"""
_FRESH = """
SELECT * FROM unnest(%(ids)s::text[], %(keys)s::text[], %(payloads)s::jsonb[], %(kinds)s::text[],
    %(categories)s::text[], %(langs)s::text[], %(times)s::timestamptz[])
    AS fresh (id, content_key, payload, kind, category, lang, time)
"""
# The rows are sent as one JSON document: a dozen arrays take longer to encode.
_CREATE = """
SELECT service.create_notes(%(revision)s::int8, %(given)s::jsonb, %(owners)s::text[], %(models)s::int2[],
    %(vectors)b::halfvec[], %(digests)s::text[], %(pictures)s::bytea[])
"""
# Rows that would not change are skipped. Returns the ids of those that did.
_UPDATE = f"""
UPDATE service.notes AS note SET content_key = fresh.content_key, payload = fresh.payload, kind = fresh.kind,
    category = fresh.category, lang = fresh.lang, time = fresh.time, updated = now()
FROM ({_FRESH}) AS fresh
WHERE note.id = fresh.id AND
    (note.content_key, note.payload, note.kind, note.category, note.lang, note.time) IS DISTINCT FROM
    (fresh.content_key, fresh.payload, fresh.kind, fresh.category, fresh.lang, fresh.time)
RETURNING note.id
"""
_CLEAR = """
WITH gone AS (DELETE FROM service.matches WHERE note_id = ANY(%(ids)s::text[])),
    found AS (DELETE FROM service.job_hits WHERE note_id = ANY(%(ids)s::text[])),
    stale AS (DELETE FROM service.vectors WHERE note_id = ANY(%(ids)s::text[]))
DELETE FROM service.note_pictures WHERE note_id = ANY(%(ids)s::text[]) RETURNING digest
"""
_VECTORS = """
INSERT INTO service.vectors AS old (note_id, model_id, content_key, vector, kind, category, time)
SELECT * FROM unnest(%(notes)s::text[], %(models)s::int2[], %(keys)s::text[], %(vectors)b::halfvec[],
    %(kinds)s::text[], %(categories)s::text[], %(times)s::timestamptz[])
ON CONFLICT (note_id, model_id) DO UPDATE SET content_key = EXCLUDED.content_key,
    vector = CASE WHEN old.content_key = EXCLUDED.content_key THEN old.vector ELSE EXCLUDED.vector END,
    kind = EXCLUDED.kind, category = EXCLUDED.category, time = EXCLUDED.time
WHERE (old.content_key, old.kind, old.category, old.time) IS DISTINCT FROM
    (EXCLUDED.content_key, EXCLUDED.kind, EXCLUDED.category, EXCLUDED.time)
RETURNING note_id
"""
# Copies a note's filter columns to all of its vectors, also of versions that the caller did not send.
_COPY_COLUMNS = """
UPDATE service.vectors AS vector SET kind = note.kind, category = note.category, time = note.time
FROM service.notes AS note WHERE note.id = ANY(%(ids)s::text[]) AND vector.note_id = note.id
"""
_MATCHES = """
INSERT INTO service.matches (note_id, sample_id, model_id, category, score, threshold, source)
SELECT *, 'online' FROM unnest(%(notes)s::text[], %(samples)s::int8[], %(models)s::int2[],
    %(categories)s::text[], %(scores)s::float8[], %(thresholds)s::float8[])
"""
_LOG = """
WITH sent AS (
    INSERT INTO service.outbox (note_id, deleted) SELECT id, false FROM unnest(%(ids)s::text[]) AS id
    WHERE (SELECT wanted FROM service.outbox_state)
)
INSERT INTO service.audit (actor, action, subject, details)
SELECT * FROM unnest(%(actors)s::text[], %(actions)s::text[], %(subjects)s::text[], %(details)s::jsonb[])
"""
_PICTURES = """
INSERT INTO service.pictures (digest, data)
SELECT * FROM unnest(%(digests)s::text[], %(data)s::bytea[]) ON CONFLICT DO NOTHING
"""
_USES = """
INSERT INTO service.note_pictures (note_id, digest)
SELECT * FROM unnest(%(notes)s::text[], %(digests)s::text[]) ON CONFLICT DO NOTHING
"""
_HITS = """
SELECT note_id, sample_id, category, score, threshold FROM service.matches
WHERE note_id = ANY(%(ids)s::text[]) ORDER BY score DESC, sample_id
"""
_PRESENT = "SELECT id FROM service.notes WHERE id = ANY(%(ids)s::text[])"


def stored_hits(session: Session, ids: Sequence[str]) -> tuple[set[str], dict[str, tuple[SampleHit, ...]]]:
    """Return the ids that are stored, and the matches by id, best first."""
    hits: defaultdict[str, tuple[SampleHit, ...]] = defaultdict(tuple)
    for note_id, *hit in _run(session, _HITS, ids=list(ids)):
        hits[note_id] += (SampleHit(*hit),)
    return {row[0] for row in _run(session, _PRESENT, ids=list(ids))}, dict(hits)


def store(session: Session, checked: Sequence[Checked], keep_pictures: bool) -> dict[str, Outcome]:
    """Write checked and matched notes, sorted by id; return their outcomes. Forgotten notes are rejected."""
    if not checked:
        return {}
    hashes = {audit.id_hash(note.incoming.note.id): note.incoming.note.id for note in checked}
    rows = _run(session, _LOCK_KNOWN, ids=list(hashes.values()), hashes=list(hashes)).fetchall()
    known = {name: key for name, key, gone in rows if not gone}
    barred = {hashes[name] for name, _, gone in rows if gone}
    reason = "a note of this id was forgotten on request and is not stored again"
    outcomes = {note_id: rejected(note_id, "forgotten", reason) for note_id in barred}
    new: list[Checked] = []
    present: list[Checked] = []
    for note in checked:
        if note.incoming.note.id not in barred:
            (present if note.incoming.note.id in known else new).append(note)
    if new:
        create(session, new)
        outcomes |= created(new)
    changed = [note for note in present if known[note.incoming.note.id] != note.content_key]
    if present:
        outcomes |= _change(session, present, changed)
    if keep_pictures:
        _store_pictures(session, new + changed)
    return outcomes


def create(
    session: Session,
    checked: Sequence[Checked],
    *,
    revision: int | None = None,
    asked: Mapping[str, str] | None = None,
    keep_pictures: bool = False,
) -> bool:
    """Write new notes with all rows that belong to them, in one statement; return whether they were written.

    revision: revision of the gallery that they were matched with. Nothing is written if it is not the current
    one, or if one of the notes or idempotency keys of `asked` (key to digest) is stored already. With None
    these checks are skipped: the caller has done them, and stores keys and pictures itself.
    """
    notes, matches = [], []
    for one in checked:
        note, model = one.incoming.note, one.model.id
        own: dict[str, Any] = {
            "id": note.id,
            "hash": audit.id_hash(note.id),
            "content_key": one.content_key,
            "payload": payload.note_payload(note),
        }
        own |= {"kind": one.incoming.kind, "category": note.category, "lang": note.lang, "actor": one.actor}
        own |= {"time": one.incoming.time.isoformat() if one.incoming.time else None}
        notes.append(own | {"details": {"hits": [hit.sample_id for hit in one.found]}})
        matches += [
            {"note_id": note.id, "sample_id": hit.sample_id, "model_id": model}
            | {"category": hit.category, "score": hit.score, "threshold": hit.threshold}
            for hit in one.found
        ]
    data, uses = _pictures_of(checked) if keep_pictures else ({}, [])
    given = {
        "notes": notes,
        "matches": matches,
        "requests": [{"key": key, "digest": digest} for key, digest in (asked or {}).items()],
        "shown": [{"note_id": note_id, "digest": digest} for note_id, digest in uses],
    }
    brought = [
        (one.incoming.note.id, model, vector) for one in checked for model, vector in one.vectors.items()
    ]
    done = driver_of(session).execute(
        _CREATE,
        {
            "revision": revision,
            "given": json.dumps(given, ensure_ascii=False),
            "owners": [note_id for note_id, _, _ in brought],
            "models": [model for _, model, _ in brought],
            "vectors": [as_parameter(vector) for _, _, vector in brought],
            "digests": list(data),
            "pictures": list(data.values()),
        },
        prepare=True,  # a call without tables of its own, so a cached plan stays valid
    )
    return done.fetchone() == (True,)


def _change(session: Session, present: Sequence[Checked], changed: Sequence[Checked]) -> dict[str, Outcome]:
    """Update stored notes where they differ; return their outcomes.

    changed: the notes with new content. Their outcomes have the new hits, the others the stored ones.
    """
    by_id = {note.incoming.note.id: note for note in present}
    rewritten = {row[0] for row in _run(session, _UPDATE, **note_columns(present))}
    _replace_content(session, changed)
    if rewritten:
        _run(session, _COPY_COLUMNS, ids=sorted(rewritten))
    filled = {row[0] for row in _run(session, _VECTORS, **vector_columns(present))}
    if any(one.found for one in changed):
        _run(session, _MATCHES, **match_columns(changed))
    new = {one.incoming.note.id for one in changed}
    same = sorted(by_id.keys() - new)
    hits = stored_hits(session, same)[1] if same else {}
    outcomes: dict[str, Outcome] = {}
    for note_id, one in by_id.items():
        status: Status = "updated" if note_id in rewritten else "unchanged"
        known = hits_of(one.found) if note_id in new else hits.get(note_id, ())
        outcomes[note_id] = Outcome(note_id, status, known)
    touched = [by_id[note_id] for note_id in sorted(new | rewritten | filled)]
    _log(session, touched, outcomes)
    return outcomes


def _replace_content(session: Session, changed: Sequence[Checked]) -> None:
    """Delete the rows made from the old content. Reviews are kept: each names the content that it judged."""
    if not changed:
        return
    ids = [one.incoming.note.id for one in changed]
    digests = {row[0] for row in _run(session, _CLEAR, ids=ids)}
    kept = {picture.digest for one in changed for picture in one.incoming.note.pictures}
    if digests - kept:
        pictures.drop_unused(session, digests - kept)


def _pictures_of(fresh: Sequence[Checked]) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """Return picture bytes by digest, sorted, and the pairs (note id, digest)."""
    shown = {one.incoming.note.id: payload.readable(one.incoming.note.pictures) for one in fresh}
    data = {digest: value for found in shown.values() for digest, value in found.items()}
    return dict(sorted(data.items())), [
        (note_id, digest) for note_id, found in shown.items() for digest in found
    ]


def _store_pictures(session: Session, fresh: Sequence[Checked]) -> None:
    data, uses = _pictures_of(fresh)
    if data:
        _run(session, _PICTURES, digests=list(data), data=list(data.values()))
        _run(session, _USES, notes=[note for note, _ in uses], digests=[digest for _, digest in uses])


def _log(session: Session, touched: Sequence[Checked], outcomes: dict[str, Outcome]) -> None:
    """Write one outbox and one audit row per note that changed in any way."""
    if touched:
        ids = [one.incoming.note.id for one in touched]
        details = [{"hits": [hit.sample_id for hit in outcomes[one].hits]} for one in ids]
        _run(
            session,
            _LOG,
            ids=ids,
            actors=[one.actor for one in touched],
            actions=[f"note.{_ACTIONS[outcomes[one].status]}" for one in ids],
            subjects=[audit.note_subject(one) for one in ids],
            details=[json.dumps(one) for one in details],
        )


_ACTIONS = {"updated": "change", "unchanged": "touch"}


def _run(session: Session, statement: str, **values: Any) -> Any:
    return driver_of(session).execute(statement, values)
