"""Storing notes: note, vectors, matches, audit row and outbox row commit together, or nothing does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from sqlalchemy.orm import Session

from uninote.errors import ItemError, VectorError
from uninote.service.db.engine import Database
from uninote.service.domain import ingest_sql
from uninote.service.domain.matcher import Matcher, Snapshot
from uninote.service.domain.outcome import Checked, Incoming, Outcome, hits_of
from uninote.service.domain.vectors import half_unit
from uninote.service.errors import ConflictError, ServiceError
from uninote.store.validate import storable

MAX_CHARS = {"id": 512, "kind": 256, "category": 256, "lang": 256}


class _Refused(ServiceError):
    """One note cannot be stored."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def ingest(
    database: Database,
    matcher: Matcher,
    batch: Sequence[Incoming],
    actor: str,
    *,
    request: tuple[str, str] | None = None,
    keep_pictures: bool = True,
) -> list[Outcome]:
    """Store and match notes; when it returns, every outcome but a rejection is on disk. One outcome per note.

    A note that is stored with the same content is left alone and answers what it matched then; changed
    content replaces vectors and matches. A note that cannot be stored is rejected with a reason, the others
    go on. request: idempotency key and digest of the request; a key that was answered before writes nothing
    and answers the stored state. Raises ConflictError when it was used with another digest, StoreError when
    the database cannot be used.
    """

    def work(session: Session) -> list[Outcome]:
        first = not request or _first_time(session, actor, *request)
        snapshot = matcher.snapshot(session)
        checked, outcomes = check(batch, snapshot)
        if not first:
            outcomes |= _stored(session, [one.incoming.note.id for one in checked])
            return [outcomes[incoming.note.id] for incoming in batch]
        barred = ingest_sql.forgotten(session, [one.incoming.note.id for one in checked])
        for one in [one for one in checked if one.incoming.note.id in barred]:
            checked.remove(one)
            reason = "a note of this id was forgotten on request and is not stored again"
            outcomes[one.incoming.note.id] = _rejected(one.incoming.note.id, "forgotten", reason)
        match_all(checked, snapshot)
        outcomes |= ingest_sql.store(session, checked, actor, keep_pictures)
        return [outcomes[incoming.note.id] for incoming in batch]

    return database.run(work)


def match(database: Database, matcher: Matcher, batch: Sequence[Incoming]) -> list[Outcome]:
    """What `ingest` would hit, with nothing stored: outcomes are `unchanged` or `rejected`."""
    snapshot = database.run(matcher.snapshot)
    checked, outcomes = check(batch, snapshot)
    match_all(checked, snapshot)
    for one in checked:
        outcomes[one.incoming.note.id] = Outcome(one.incoming.note.id, "unchanged", hits_of(one.found))
    return [outcomes[incoming.note.id] for incoming in batch]


def check(batch: Sequence[Incoming], snapshot: Snapshot) -> tuple[list[Checked], dict[str, Outcome]]:
    """The notes that can be stored, one per id and sorted by id, and the outcome of each that cannot."""
    good: dict[str, Checked] = {}
    bad: dict[str, Outcome] = {}
    for incoming in batch:
        note_id = incoming.note.id
        try:
            checked = _check(incoming, snapshot)
            if note_id in good and good[note_id].content_key != checked.content_key:
                raise _Refused(
                    "duplicate_id", "the batch holds this id twice with different content; send one of them"
                )
            good[note_id] = checked
        except VectorError as error:
            bad[note_id] = _rejected(note_id, "bad_vector", str(error))
        except ItemError:
            bad[note_id] = _rejected(note_id, "empty_note", "the note has neither text nor a picture")
        except ServiceError as error:
            bad[note_id] = _rejected(note_id, error.code, str(error))
    return [good[note_id] for note_id in sorted(good.keys() - bad.keys())], bad


def match_all(checked: Sequence[Checked], snapshot: Snapshot) -> None:
    """Fill in what each note hits."""
    for model in {one.model for one in checked}:
        group = [one for one in checked if one.model == model]
        queries = np.stack([one.halves[model.id] for one in group]).astype(np.float32)
        limits = [
            None if one.incoming.categories is None else frozenset(one.incoming.categories) for one in group
        ]
        found = snapshot.match(model, queries, [one.incoming.note.id for one in group], limits)
        for one, hits in zip(group, found, strict=True):
            one.found = hits


def _check(incoming: Incoming, snapshot: Snapshot) -> Checked:
    note = incoming.note
    fields = {"id": note.id, "kind": incoming.kind, "category": note.category, "lang": note.lang}
    for name, value in fields.items():
        if len(value) > MAX_CHARS[name] or not storable(value):
            raise _Refused(
                "bad_field", f"{name} has more than {MAX_CHARS[name]} characters, NUL or a lone surrogate"
            )
    if not note.id or not incoming.kind:
        raise _Refused("bad_field", "id and kind must not be empty")
    texts = [note.title, note.body, note.source, *note.tags, *note.links]
    for picture in note.pictures:
        texts += [picture.description, *(picture.ocr or ())]
    if not all(map(storable, texts)):
        raise _Refused("bad_field", "the text has a NUL character or a lone surrogate; replace it by U+FFFD")
    if incoming.time is not None and incoming.time.utcoffset() is None:
        raise _Refused("bad_field", "time has no time zone; add Z or an offset")
    unknown = sorted(set(incoming.categories or ()) - snapshot.categories)
    if unknown:
        reason = f"there is no gallery category {unknown[0]!r}; create it or leave it out"
        raise _Refused("unknown_category", reason)
    key = note.item().key
    model = snapshot.model(incoming.vectors.keys())
    if model is None:
        reason = f"none of its model versions {sorted(incoming.vectors)} is known here; add it first"
        raise _Refused("unknown_model", reason)
    dims = {one.version: one for one in snapshot.models}
    halves = {}
    for version, vector in incoming.vectors.items():
        if version in dims:  # one that was retired a moment ago is left out
            halves[dims[version].id] = half_unit(vector, dims[version].dim)
    return Checked(incoming, key, halves, model)


def _first_time(session: Session, actor: str, key: str, digest: str) -> bool:
    """Take the key in this transaction, unless it was answered; another caller with it waits for this one."""
    hashed = hashlib.sha256(f"{len(actor)}:{actor}{key}".encode("utf-8", "surrogatepass")).hexdigest()
    known = ingest_sql.take_request(session, hashed, digest)
    if known is not None and known != digest:
        raise ConflictError("this idempotency key was used with another request; choose a new key")
    return known is None


def _stored(session: Session, ids: Sequence[str]) -> dict[str, Outcome]:
    present, hits = ingest_sql.stored_hits(session, ids)
    gone = "this request was answered before, and the note was deleted since"
    return {
        note_id: Outcome(note_id, "unchanged", hits.get(note_id, ()))
        if note_id in present
        else _rejected(note_id, "forgotten", gone)
        for note_id in ids
    }


def _rejected(note_id: str, code: str, reason: str) -> Outcome:
    return Outcome(note_id, "rejected", code=code, reason=reason)
