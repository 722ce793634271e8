"""Storing, matching, reading and forgetting notes."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from sqlalchemy.orm import Session

from uninote.service.app import ingest_notes
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base import payload
from uninote.service.domain.notes import forget, ingest
from uninote.service.domain.notes.ingest_types import Outcome, SampleHit
from uninote.service.domain.review import verdicts
from uninote.service.errors import NotFoundError
from uninote.service.http.errors import RESPONSES, status_of
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas.common import Digest, NoteIdPath
from uninote.service.schemas.content import NoteIn
from uninote.service.schemas.notes import (
    BatchOutcome,
    Forgotten,
    HitOut,
    MatchAnswer,
    MatchOut,
    MatchOutcome,
    MatchRequest,
    NoteBatch,
    NoteOut,
    NoteOutcome,
    Reason,
)

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=256,
        pattern=r"^[\x21-\x7e]+$",
        description="a repetition with the same key and body is answered and not stored twice",
    ),
]


async def _repeatable(request: Request, key: _Key = None) -> tuple[str, str] | None:
    """The idempotency key, with the digest of the request."""
    return None if key is None else (key, hashlib.sha256(await request.body()).hexdigest())


Repeatable = Annotated[tuple[str, str] | None, Depends(_repeatable)]
_PICTURES = {b"\xff\xd8": "image/jpeg", b"\x89P": "image/png", b"RI": "image/webp", b"GI": "image/gif"}
_BYTES = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(tags=["notes"], responses=RESPONSES)


@router.post("/v1/notes")
async def store_note(
    body: NoteIn, service: Service, caller: Caller, repeatable: Repeatable = None
) -> NoteOutcome:
    """Embed a note once, store it, match it with the gallery, and answer with the hits.

    When the answer arrives, note, vectors, matches and audit entry are on disk. Sent again with the same
    content, nothing changes and it answers what it matched then; other content replaces it.
    """
    outcomes = await ingest_notes.store(service, [body], caller.actor, repeatable)
    ingest_notes.raise_rejected(outcomes[0])
    return _outcome(outcomes[0])


@router.post("/v1/notes/batch")
async def store_notes(
    body: NoteBatch, service: Service, caller: Caller, repeatable: Repeatable = None
) -> BatchOutcome:
    """The same for many notes in one transaction. A bad note is rejected, the others go on."""
    outcomes = await ingest_notes.store(service, body.notes, caller.actor, repeatable)
    return BatchOutcome(outcomes=[_outcome(one) for one in outcomes])


@router.post("/v1/match")
async def match_notes(body: MatchRequest, service: Service) -> MatchAnswer:
    """What notes would hit, with nothing stored."""
    named = [(f"match-{number}", one) for number, one in enumerate(body.notes)]
    done = await ingest_notes.prepare(service, named)
    found = await service.pool.run(
        ingest.match, service.database, service.matcher, list(done.incoming.values())
    )
    outcomes = dict(zip(done.incoming, map(_match_outcome, found), strict=True))
    for place, error in done.refused.items():
        reason = Reason(code=status_of(error)[1], message=str(error))
        outcomes[place] = MatchOutcome(hits=[], error=reason)
    return MatchAnswer(outcomes=[outcomes[place] for place in range(len(body.notes))])


@router.get("/v1/notes/{note_id:path}")
async def read_note(note_id: NoteIdPath, service: Service) -> NoteOut:
    """A stored note with its matches."""

    def work(session: Session) -> NoteOut:
        stored = session.get(StoredNote, note_id)
        if stored is None:
            raise NotFoundError("no note is stored under this id")
        matches = [MatchOut.model_validate(one) for one in verdicts.matches_of(session, note_id)]
        columns = ("id", "category", "lang", "kind", "time", "created", "updated")
        fields = {name: getattr(stored, name) for name in columns}
        return NoteOut.model_validate({**stored.payload, **fields, "matches": matches})

    return await service.transaction(work)


@router.delete("/v1/notes/{note_id:path}")
async def forget_note(note_id: NoteIdPath, service: Service, caller: Caller) -> Forgotten:
    """The right to be forgotten: the note and everything made from it goes from every table, for good."""
    gone = await service.transaction(lambda session: forget.forget(session, [note_id], caller.actor))
    return Forgotten(deleted=bool(gone))


@router.get(
    "/v1/pictures/{digest}",
    response_class=Response,
    responses={200: {"content": dict.fromkeys([*_PICTURES.values(), "application/octet-stream"], _BYTES)}},
)
async def read_picture(digest: Digest, service: Service) -> Response:
    """The bytes of a stored picture, as they were sent."""
    data = await service.transaction(lambda session: payload.picture_bytes(session, digest))
    kind = _PICTURES.get(data[:2], "application/octet-stream")
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox", "Cache-Control": "private"}
    return Response(data, media_type=kind, headers=headers)


def _outcome(one: Outcome) -> NoteOutcome:
    error = Reason(code=one.code, message=one.reason) if one.status == "rejected" else None
    return NoteOutcome(id=one.id, status=one.status, hits=_hits(one.hits), error=error)


def _match_outcome(one: Outcome) -> MatchOutcome:
    error = Reason(code=one.code, message=one.reason) if one.status == "rejected" else None
    return MatchOutcome(hits=_hits(one.hits), error=error)


def _hits(hits: tuple[SampleHit, ...]) -> list[HitOut]:
    return [HitOut.model_validate(hit) for hit in hits]
