"""The statements of one ingest. A batch of any size takes the same few round trips.

Rows are locked in id order everywhere, so that two ingests cannot deadlock on notes. The lock on a note is
held until commit, so the outbox numbers of one id are in the order of its commits.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.orm import Session

from uninote.service.db.engine import RetryTransaction
from uninote.service.domain import audit, content, pictures
from uninote.service.domain.outcome import Checked, Hit, Outcome, Status, hits_of
from uninote.service.domain.vectors import as_parameter

_TAKE_REQUEST = (
    "INSERT INTO service.requests (key, digest) VALUES (%(key)s, %(digest)s) ON CONFLICT DO NOTHING"
)
_READ_REQUEST = "SELECT digest FROM service.requests WHERE key = %(key)s"
_FORGOTTEN = "SELECT id_hash FROM service.forgotten WHERE id_hash = ANY(%(hashes)s::text[])"
_LOCK = """
SELECT id, content_key FROM service.notes WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE
"""
_FRESH = """
SELECT * FROM unnest(%(ids)s::text[], %(keys)s::text[], %(payloads)s::jsonb[], %(kinds)s::text[],
    %(categories)s::text[], %(langs)s::text[], %(times)s::timestamptz[])
    AS fresh (id, content_key, payload, kind, category, lang, time)
"""
_INSERT = f"""
INSERT INTO service.notes (id, content_key, payload, kind, category, lang, time) {_FRESH} ORDER BY id
ON CONFLICT DO NOTHING
"""
# Rows that would not change are left alone; the ids of those that did come back.
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
# Vectors of versions that this caller did not bring follow the note's columns as well.
_FOLLOW = """
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
SELECT %(actor)s, action, subject, details
FROM unnest(%(actions)s::text[], %(subjects)s::text[], %(details)s::jsonb[]) AS row (action, subject, details)
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


def take_request(session: Session, key: str, digest: str) -> str | None:
    """None when the key is new and now taken, else the digest it was used with."""
    if _run(session, _TAKE_REQUEST, key=key, digest=digest).rowcount:
        return None
    known: str = _run(session, _READ_REQUEST, key=key).scalar_one()
    return known


def forgotten(session: Session, ids: Iterable[str]) -> set[str]:
    """Which of the ids were forgotten on request."""
    hashes = {audit.id_hash(note_id): note_id for note_id in ids}
    if not hashes:
        return set()
    return {hashes[row[0]] for row in _run(session, _FORGOTTEN, hashes=list(hashes))}


def stored_hits(session: Session, ids: Sequence[str]) -> tuple[set[str], dict[str, tuple[Hit, ...]]]:
    """Which ids are stored, and the matches of each, best first."""
    hits: defaultdict[str, tuple[Hit, ...]] = defaultdict(tuple)
    for note_id, *hit in _run(session, _HITS, ids=list(ids)):
        hits[note_id] += (Hit(*hit),)
    return {row[0] for row in _run(session, _PRESENT, ids=list(ids))}, dict(hits)


def store(
    session: Session, checked: Sequence[Checked], actor: str, keep_pictures: bool
) -> dict[str, Outcome]:
    """Write checked and matched notes, sorted by id; the outcome of each."""
    if not checked:
        return {}
    by_id = {one.incoming.note.id: one for one in checked}
    known = {row[0]: row[1] for row in _run(session, _LOCK, ids=list(by_id))}
    created = [one for note_id, one in by_id.items() if note_id not in known]
    changed = [
        one for note_id, one in by_id.items() if known.get(note_id, one.content_key) != one.content_key
    ]
    if created and _run(session, _INSERT, **_columns(created)).rowcount < len(created):
        raise RetryTransaction  # somebody stored one of them since the look at what is known
    rewritten: set[str] = set()
    if known:
        rewritten = {row[0] for row in _run(session, _UPDATE, **_columns([by_id[one] for one in known]))}
        _replace_content(session, changed)
        if rewritten:
            _run(session, _FOLLOW, ids=sorted(rewritten))
    filled = {row[0] for row in _run(session, _VECTORS, **_vector_columns(checked))}
    fresh = created + changed
    if any(one.found for one in fresh):
        _run(session, _MATCHES, **_match_columns(fresh))
    if keep_pictures:
        _store_pictures(session, fresh)
    unchanged = by_id.keys() - {one.incoming.note.id for one in fresh}
    hits = stored_hits(session, sorted(unchanged))[1] if unchanged else {}
    outcomes = {}
    for note_id in unchanged:
        status: Status = "updated" if note_id in rewritten else "unchanged"
        outcomes[note_id] = Outcome(note_id, status, hits.get(note_id, ()))
    for one in fresh:
        note_id = one.incoming.note.id
        status = "updated" if note_id in known else "created"
        outcomes[note_id] = Outcome(note_id, status, hits_of(one.found))
    touched = {one.incoming.note.id for one in fresh} | rewritten | filled
    _log(session, sorted(touched), outcomes, actor)
    return outcomes


def _replace_content(session: Session, changed: Sequence[Checked]) -> None:
    """Everything that was true of the old content goes; reviews stay, they name the content they judged."""
    if not changed:
        return
    ids = [one.incoming.note.id for one in changed]
    digests = {row[0] for row in _run(session, _CLEAR, ids=ids)}
    kept = {picture.digest for one in changed for picture in one.incoming.note.pictures}
    if digests - kept:
        pictures.drop_unused(session, digests - kept)


def _store_pictures(session: Session, fresh: Sequence[Checked]) -> None:
    shown = {one.incoming.note.id: content.readable(one.incoming.note.pictures) for one in fresh}
    data = {digest: value for found in shown.values() for digest, value in found.items()}
    if data:
        digests = sorted(data)
        _run(session, _PICTURES, digests=digests, data=[data[digest] for digest in digests])
        uses = [(note_id, digest) for note_id, found in shown.items() for digest in found]
        _run(session, _USES, notes=[note for note, _ in uses], digests=[digest for _, digest in uses])


def _log(session: Session, ids: Sequence[str], outcomes: dict[str, Outcome], actor: str) -> None:
    """One outbox and one audit row per note that changed in any way."""
    if ids:
        details = [{"hits": [hit.sample_id for hit in outcomes[one].hits]} for one in ids]
        _run(
            session,
            _LOG,
            ids=list(ids),
            actor=actor,
            actions=[f"note.{_ACTIONS[outcomes[one].status]}" for one in ids],
            subjects=[audit.note_subject(one) for one in ids],
            details=[json.dumps(one) for one in details],
        )


_ACTIONS = {"created": "create", "updated": "change", "unchanged": "touch"}


def _columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    notes = [one.incoming.note for one in checked]
    return {
        "ids": [note.id for note in notes],
        "keys": [one.content_key for one in checked],
        "payloads": [json.dumps(content.note_payload(note)) for note in notes],
        "kinds": [one.incoming.kind for one in checked],
        "categories": [note.category for note in notes],
        "langs": [note.lang for note in notes],
        "times": [one.incoming.time for one in checked],
    }


def _vector_columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    rows = [(one, model, half) for one in checked for model, half in sorted(one.halves.items())]
    return {
        "notes": [one.incoming.note.id for one, _, _ in rows],
        "models": [model for _, model, _ in rows],
        "keys": [one.content_key for one, _, _ in rows],
        "vectors": [as_parameter(half) for _, _, half in rows],
        "kinds": [one.incoming.kind for one, _, _ in rows],
        "categories": [one.incoming.note.category for one, _, _ in rows],
        "times": [one.incoming.time for one, _, _ in rows],
    }


def _match_columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    rows = [(one, hit) for one in checked for hit in one.found]
    return {
        "notes": [one.incoming.note.id for one, _ in rows],
        "samples": [hit.sample_id for _, hit in rows],
        "models": [one.model.id for one, _ in rows],
        "categories": [hit.category for _, hit in rows],
        "scores": [hit.score for _, hit in rows],
        "thresholds": [hit.threshold for _, hit in rows],
    }


def _run(session: Session, statement: str, **values: Any) -> Any:
    return session.connection().exec_driver_sql(statement, values)
