"""Ingest of notes: note, vectors, matches, audit row and outbox row are written in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from sqlalchemy.orm import Session

from uninote.errors import ItemError, StoreError, UniNoteError, VectorError
from uninote.service.db.engine import Database
from uninote.service.domain.base.vectors import float16_unit
from uninote.service.domain.gallery.matcher import Matcher, Snapshot
from uninote.service.domain.notes import ingest_sql
from uninote.service.domain.notes.idempotency import hashed, take
from uninote.service.domain.notes.ingest_types import (
    Checked,
    Delivery,
    Incoming,
    Outcome,
    created,
    hits_of,
    rejected,
)
from uninote.service.errors import ServiceError
from uninote.store import validate
from uninote.store.validate import storable

MAX_CHARS = validate.MAX_CHARS | {"lang": 256}

DeliveryAnswer = list[Outcome] | UniNoteError
"""One outcome per note of a delivery, or the error that failed all of it."""


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
    """Store and match notes; return one outcome per note. All but the rejected notes are on disk by then.

    A note that is stored with the same content is not changed, and its outcome has the matches of then. New
    content replaces vectors and matches. An invalid note is rejected with a reason; the others are stored.

    request: idempotency key and digest of the request. If the key was used before, nothing is written and the
    outcomes are those of the stored notes. Raises ConflictError when it was used with another digest,
    StoreError when the database cannot be used.
    """
    delivery = Delivery(batch, actor, request)
    (answer,) = store_deliveries(database, matcher, [delivery], keep_pictures=keep_pictures)
    if isinstance(answer, UniNoteError):
        raise answer
    return answer


def store_deliveries(
    database: Database, matcher: Matcher, deliveries: Sequence[Delivery], *, keep_pictures: bool = True
) -> list[DeliveryAnswer]:
    """Store the deliveries of many callers as `ingest` does, in one transaction: a group commit.

    An error in one delivery fails that delivery alone. Deliveries with a note or an idempotency key in common
    are stored one after the other, in the order given.
    """
    answers: dict[int, DeliveryAnswer] = {}
    numbered = dict(enumerate(deliveries))
    for group in _disjoint_groups(deliveries):
        answers |= _commit(database, matcher, {n: numbered[n] for n in group}, keep_pictures)
    return [answers[number] for number in numbered]


def _disjoint_groups(deliveries: Sequence[Delivery]) -> list[list[int]]:
    """Split the deliveries, in order, into groups in which no two share a note or an idempotency key."""
    groups: list[list[int]] = [[]]
    taken: set[object] = set()
    for number, delivery in enumerate(deliveries):
        own: set[object] = {incoming.note.id for incoming in delivery.batch}
        if delivery.request:
            own.add((delivery.actor, delivery.request[0]))
        if taken & own:
            groups.append([])
            taken = set()
        taken |= own
        groups[-1].append(number)
    return groups


def _commit(
    database: Database, matcher: Matcher, group: dict[int, Delivery], keep_pictures: bool
) -> dict[int, DeliveryAnswer]:
    """Store deliveries that share nothing; return their answers. If they fail together, try each alone."""
    matched = _Matched(group)
    try:
        known = matcher.latest()
        if known is not None:  # matching is most of the work; done here it holds no lock
            matched.match_with(known)
            if (
                matched.notes
                and known.is_fresh
                and database.read(partial(_create, matched, known, keep_pictures))
            ):
                return matched.all_created()
        return database.transaction(partial(_store, matcher, matched, keep_pictures))
    except StoreError as error:  # the database failed, and the transaction was retried already
        return dict.fromkeys(group, error)
    except UniNoteError as error:
        if len(group) == 1:
            return dict.fromkeys(group, error)
    return {
        number: answer
        for number, delivery in group.items()
        for answer in _commit(database, matcher, {number: delivery}, keep_pictures).values()
    }


class _Matched:
    """Deliveries whose notes are checked and matched with one snapshot."""

    def __init__(self, group: dict[int, Delivery]) -> None:
        self.group = group
        self._by: Snapshot | None = None
        self.checked: dict[int, list[Checked]] = {}
        self.notes: list[Checked] = []  # the valid ones of all deliveries, sorted by id
        self.rejected: dict[int, dict[str, Outcome]] = {}

    def match_with(self, snapshot: Snapshot) -> None:
        """Check and match all notes, unless they are matched with this snapshot already."""
        if self._by is snapshot:
            return
        for number, delivery in self.group.items():
            self.checked[number], self.rejected[number] = check(delivery.batch, snapshot, delivery.actor)
        valid = [note for checked in self.checked.values() for note in checked]
        self.notes = sorted(valid, key=lambda note: note.incoming.note.id)
        match_all(self.notes, snapshot)
        self._by = snapshot

    def all_created(self) -> dict[int, DeliveryAnswer]:
        """Return the answers of all deliveries for the case that all valid notes were new."""
        return {
            number: _in_order(delivery, self.rejected[number] | created(self.checked[number]))
            for number, delivery in self.group.items()
        }


def _create(matched: _Matched, by: Snapshot, keep_pictures: bool, session: Session) -> bool:
    """Store the group in one statement if all of its notes are new; return whether they were."""
    asked = {
        hashed(delivery.actor, delivery.request[0]): delivery.request[1]
        for delivery in matched.group.values()
        if delivery.request
    }
    return ingest_sql.create(
        session, matched.notes, revision=by.revision, asked=asked, keep_pictures=keep_pictures
    )


def _store(
    matcher: Matcher, matched: _Matched, keep_pictures: bool, session: Session
) -> dict[int, DeliveryAnswer]:
    """Store the valid notes of the group in the session's transaction; return the answers."""
    matched.match_with(matcher.snapshot(session))
    asked = {n: (given.actor, *given.request) for n, given in matched.group.items() if given.request}
    first, conflicts = take(session, asked)
    answers: dict[int, DeliveryAnswer] = dict(conflicts)
    notes = [
        note
        for number, checked in matched.checked.items()
        if number not in asked or number in first
        for note in checked
    ]
    stored = ingest_sql.store(session, sorted(notes, key=lambda note: note.incoming.note.id), keep_pictures)
    for number, delivery in matched.group.items():
        if number in answers:
            continue
        outcomes = stored
        if number in asked and number not in first:
            outcomes = _repeated(session, [note.incoming.note.id for note in matched.checked[number]])
        answers[number] = _in_order(delivery, outcomes | matched.rejected[number])
    return answers


def _in_order(delivery: Delivery, outcomes: dict[str, Outcome]) -> DeliveryAnswer:
    return [outcomes[incoming.note.id] for incoming in delivery.batch]


def match(database: Database, matcher: Matcher, batch: Sequence[Incoming]) -> list[Outcome]:
    """Return the outcomes of matching without storing: `unchanged` with the hits, or `rejected`."""
    snapshot = database.transaction(matcher.snapshot)
    checked, outcomes = check(batch, snapshot)
    match_all(checked, snapshot)
    for note in checked:
        outcomes[note.incoming.note.id] = Outcome(note.incoming.note.id, "unchanged", hits_of(note.found))
    return [outcomes[incoming.note.id] for incoming in batch]


def check(
    batch: Sequence[Incoming], snapshot: Snapshot, actor: str = ""
) -> tuple[list[Checked], dict[str, Outcome]]:
    """Return the valid notes, one per id and sorted by id, and the outcomes of the invalid ones by id."""
    good: dict[str, Checked] = {}
    bad: dict[str, Outcome] = {}
    for incoming in batch:
        note_id = incoming.note.id
        try:
            checked = _check(incoming, snapshot, actor)
            if note_id in good and good[note_id].content_key != checked.content_key:
                raise _Refused(
                    "duplicate_id", "the batch holds this id twice with different content; send one of them"
                )
            good[note_id] = checked
        except VectorError as error:
            bad[note_id] = rejected(note_id, "bad_vector", str(error))
        except ItemError:
            bad[note_id] = rejected(note_id, "empty_note", "the note has neither text nor a picture")
        except ServiceError as error:
            bad[note_id] = rejected(note_id, error.code, str(error))
    return [good[note_id] for note_id in sorted(good.keys() - bad.keys())], bad


def match_all(checked: Sequence[Checked], snapshot: Snapshot) -> None:
    """Set the hits of each note, `found`."""
    for model in {note.model for note in checked}:
        group = [note for note in checked if note.model == model]
        queries = np.stack([note.vectors[model.id] for note in group]).astype(np.float32)
        limits = [
            None if note.incoming.categories is None else frozenset(note.incoming.categories)
            for note in group
        ]
        found = snapshot.match(model, queries, [note.incoming.note.id for note in group], limits)
        for note, hits in zip(group, found, strict=True):
            note.found = hits


def _check(incoming: Incoming, snapshot: Snapshot, actor: str) -> Checked:
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
    written = {known.version: known for known in snapshot.models}
    vectors = {}
    for version, vector in incoming.vectors.items():
        if version in written:  # a version that was retired meanwhile is left out
            vectors[written[version].id] = float16_unit(vector, written[version].dim)
    return Checked(incoming, key, vectors, model, actor)


def _repeated(session: Session, ids: Sequence[str]) -> dict[str, Outcome]:
    """Return the outcomes of a repeated request: the notes as they are stored now."""
    present, hits = ingest_sql.stored_hits(session, ids)
    gone = "this request was answered before, and the note was deleted since"
    return {
        note_id: Outcome(note_id, "unchanged", hits.get(note_id, ()))
        if note_id in present
        else rejected(note_id, "forgotten", gone)
        for note_id in ids
    }
