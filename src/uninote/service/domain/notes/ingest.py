"""Ingest of notes: note, vectors, matches, audit row and outbox row commit together, or nothing does."""

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
"""One outcome per note of a delivery, or why all of it failed."""


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
    are still stored.

    request: idempotency key and digest of the request; a key that was answered before writes nothing and
    answers the stored state. Raises ConflictError when it was used with another digest, StoreError when the
    database cannot be used.
    """
    delivery = Delivery(batch, actor, request)
    (answer,) = store_deliveries(database, matcher, [delivery], keep_pictures=keep_pictures)
    if isinstance(answer, UniNoteError):
        raise answer
    return answer


def store_deliveries(
    database: Database, matcher: Matcher, deliveries: Sequence[Delivery], *, keep_pictures: bool = True
) -> list[DeliveryAnswer]:
    """Ingest for many callers in one transaction, as `ingest` does: they share its round trips and its
    commit.

    What is wrong with one delivery fails that one alone. Deliveries that name the same note or use the same
    idempotency key go one after the other, in the order given.
    """
    answers: dict[int, DeliveryAnswer] = {}
    numbered = dict(enumerate(deliveries))
    for group in _disjoint_groups(deliveries):
        answers |= _commit(database, matcher, {n: numbered[n] for n in group}, keep_pictures)
    return [answers[number] for number in numbered]


def _disjoint_groups(deliveries: Sequence[Delivery]) -> list[list[int]]:
    """Cut the deliveries, in order, where one shares a note or a key with another since the last cut."""
    groups: list[list[int]] = [[]]
    taken: set[object] = set()
    for number, one in enumerate(deliveries):
        own: set[object] = {incoming.note.id for incoming in one.batch}
        if one.request:
            own.add((one.actor, one.request[0]))
        if taken & own:
            groups.append([])
            taken = set()
        taken |= own
        groups[-1].append(number)
    return groups


def _commit(
    database: Database, matcher: Matcher, group: dict[int, Delivery], keep_pictures: bool
) -> dict[int, DeliveryAnswer]:
    """Return the answers of deliveries that share nothing; each is tried alone when together they fail."""
    matched = _Matched(group)
    try:
        known = matcher.latest()
        if known is not None:  # most of the work, before the transaction: it holds no lock then
            matched.match_with(known)
            if (
                matched.notes
                and known.is_fresh
                and database.read(partial(_create, matched, known, keep_pictures))
            ):
                return matched.all_created()
        return database.transaction(partial(_store, matcher, matched, keep_pictures))
    except StoreError as error:  # the database's fault, and it was asked again already
        return dict.fromkeys(group, error)
    except UniNoteError as error:
        if len(group) == 1:
            return dict.fromkeys(group, error)
    return {
        number: answer
        for number, one in group.items()
        for answer in _commit(database, matcher, {number: one}, keep_pictures).values()
    }


class _Matched:
    """Deliveries with their notes checked and matched by one snapshot."""

    def __init__(self, group: dict[int, Delivery]) -> None:
        self.group = group
        self._by: Snapshot | None = None
        self.checked: dict[int, list[Checked]] = {}
        self.notes: list[Checked] = []  # all that can be stored, sorted by id
        self.rejected: dict[int, dict[str, Outcome]] = {}

    def match_with(self, snapshot: Snapshot) -> None:
        """Check and match all notes, unless this snapshot did so before."""
        if self._by is snapshot:
            return
        for number, one in self.group.items():
            self.checked[number], self.rejected[number] = check(one.batch, snapshot, one.actor)
        found = [one for checked in self.checked.values() for one in checked]
        self.notes = sorted(found, key=lambda one: one.incoming.note.id)
        match_all(self.notes, snapshot)
        self._by = snapshot

    def all_created(self) -> dict[int, DeliveryAnswer]:
        """Return the answers when all of them were stored as new."""
        return {
            number: _in_order(one, self.rejected[number] | created(self.checked[number]))
            for number, one in self.group.items()
        }


def _create(matched: _Matched, by: Snapshot, keep_pictures: bool, session: Session) -> bool:
    """Store the group in one statement if all of it is new, as most are; return whether it was."""
    asked = {
        hashed(one.actor, one.request[0]): one.request[1] for one in matched.group.values() if one.request
    }
    return ingest_sql.create(
        session, matched.notes, revision=by.revision, asked=asked, keep_pictures=keep_pictures
    )


def _store(
    matcher: Matcher, matched: _Matched, keep_pictures: bool, session: Session
) -> dict[int, DeliveryAnswer]:
    """Store what can be stored of the group, in one transaction; return an answer for each delivery."""
    matched.match_with(matcher.snapshot(session))
    asked = {n: (one.actor, *one.request) for n, one in matched.group.items() if one.request}
    first, conflicts = take(session, asked)
    answers: dict[int, DeliveryAnswer] = dict(conflicts)
    fresh = [
        one
        for number, found in matched.checked.items()
        if number not in asked or number in first
        for one in found
    ]
    outcomes = ingest_sql.store(session, sorted(fresh, key=lambda one: one.incoming.note.id), keep_pictures)
    for number, one in matched.group.items():
        if number in answers:
            continue
        known = outcomes
        if number in asked and number not in first:
            known = _stored(session, [found.incoming.note.id for found in matched.checked[number]])
        answers[number] = _in_order(one, known | matched.rejected[number])
    return answers


def _in_order(delivery: Delivery, outcomes: dict[str, Outcome]) -> DeliveryAnswer:
    return [outcomes[incoming.note.id] for incoming in delivery.batch]


def match(database: Database, matcher: Matcher, batch: Sequence[Incoming]) -> list[Outcome]:
    """Return what `ingest` would hit, with nothing stored: outcomes are `unchanged` or `rejected`."""
    snapshot = database.transaction(matcher.snapshot)
    checked, outcomes = check(batch, snapshot)
    match_all(checked, snapshot)
    for one in checked:
        outcomes[one.incoming.note.id] = Outcome(one.incoming.note.id, "unchanged", hits_of(one.found))
    return [outcomes[incoming.note.id] for incoming in batch]


def check(
    batch: Sequence[Incoming], snapshot: Snapshot, actor: str = ""
) -> tuple[list[Checked], dict[str, Outcome]]:
    """Return the notes that can be stored, one per id and sorted by id, and the outcome of each that
    cannot.
    """
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
    """Fill in what each note hits."""
    for model in {one.model for one in checked}:
        group = [one for one in checked if one.model == model]
        queries = np.stack([one.vectors[model.id] for one in group]).astype(np.float32)
        limits = [
            None if one.incoming.categories is None else frozenset(one.incoming.categories) for one in group
        ]
        found = snapshot.match(model, queries, [one.incoming.note.id for one in group], limits)
        for one, hits in zip(group, found, strict=True):
            one.found = hits


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
    dims = {one.version: one for one in snapshot.models}
    vectors = {}
    for version, vector in incoming.vectors.items():
        if version in dims:  # one that was retired a moment ago is left out
            vectors[dims[version].id] = float16_unit(vector, dims[version].dim)
    return Checked(incoming, key, vectors, model, actor)


def _stored(session: Session, ids: Sequence[str]) -> dict[str, Outcome]:
    present, hits = ingest_sql.stored_hits(session, ids)
    gone = "this request was answered before, and the note was deleted since"
    return {
        note_id: Outcome(note_id, "unchanged", hits.get(note_id, ()))
        if note_id in present
        else rejected(note_id, "forgotten", gone)
        for note_id in ids
    }
