"""Routes of notes: storing, matching, reading and forgetting."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response

from uninote.problems import Shape
from uninote.service.app import ingest_notes, notes
from uninote.service.domain.notes.ingest_types import Outcome, SampleHit
from uninote.service.http import responses
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.common import Digest, NoteIdPath
from uninote.service.schemas.content import NoteIn
from uninote.service.schemas.notes import (
    BatchOutcome,
    Forgotten,
    HitOut,
    MatchAnswer,
    MatchOutcome,
    MatchRequest,
    NoteBatch,
    NoteOut,
    NoteOutcome,
    Reason,
)

_Key = Annotated[
    Annotated[str, Shape(r"^[\x21-\x7e]+$", "must be printable ASCII without spaces")] | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=256,
        description="a repetition with the same key and body is answered and not stored twice",
    ),
]


async def _repeatable(request: Request, key: _Key = None) -> tuple[str, str] | None:
    """Return the idempotency key with the digest of the request, or None without a key."""
    return None if key is None else (key, hashlib.sha256(await request.body()).hexdigest())


Repeatable = Annotated[tuple[str, str] | None, Depends(_repeatable)]
_BYTES = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(tags=["notes"], responses=RESPONSES)


@router.post("/v1/notes", openapi_extra=needs("ingest"))
async def store_note(
    body: NoteIn, service: Service, caller: Caller, repeatable: Repeatable = None
) -> NoteOutcome:
    """Embed a note, store it, match it with the gallery, and return its hits.

    When the answer arrives, note, vectors, matches and audit entry are on disk. Sending the same content
    again changes nothing and returns the stored hits; new content replaces the note.
    """
    outcomes = await ingest_notes.store(service, [body], caller.actor, repeatable)
    ingest_notes.raise_rejected(outcomes[0])
    return _outcome(outcomes[0])


@router.post("/v1/notes/batch", openapi_extra=needs("ingest"))
async def store_notes(
    body: NoteBatch, service: Service, caller: Caller, repeatable: Repeatable = None
) -> BatchOutcome:
    """Store many notes in one transaction. An invalid note is rejected; the others are stored."""
    outcomes = await ingest_notes.store(service, body.notes, caller.actor, repeatable)
    return BatchOutcome(outcomes=[_outcome(one) for one in outcomes])


@router.post("/v1/match", openapi_extra=needs("read"))
async def match_notes(body: MatchRequest, service: Service) -> MatchAnswer:
    """Match notes with the gallery without storing them."""
    outcomes = await ingest_notes.match(service, body.notes)
    return MatchAnswer(outcomes=[MatchOutcome(hits=_hits(one.hits), error=_reason(one)) for one in outcomes])


@router.get("/v1/notes/{note_id:path}", openapi_extra=needs("read"))
async def read_note(note_id: NoteIdPath, service: Service) -> NoteOut:
    """Return a stored note with its matches."""
    return await notes.read(service, note_id)


@router.delete("/v1/notes/{note_id:path}", openapi_extra=needs("operate"))
async def forget_note(note_id: NoteIdPath, service: Service, caller: Caller) -> Forgotten:
    """Forget a note: delete it and everything made from it for good, and bar its id."""
    return Forgotten(deleted=await notes.forget(service, note_id, caller.actor))


@router.get(
    "/v1/pictures/{digest}",
    response_class=Response,
    responses={
        200: {"content": dict.fromkeys([*responses.PICTURES.values(), "application/octet-stream"], _BYTES)}
    },
    openapi_extra=needs("read"),
)
async def read_picture(digest: Digest, service: Service) -> Response:
    """Return the bytes of a stored picture, as they were sent."""
    return responses.picture(await notes.picture(service, digest))


def _outcome(one: Outcome) -> NoteOutcome:
    return NoteOutcome(id=one.id, status=one.status, hits=_hits(one.hits), error=_reason(one))


def _reason(one: Outcome) -> Reason | None:
    return Reason(code=one.code, message=one.reason) if one.status == "rejected" else None


def _hits(hits: tuple[SampleHit, ...]) -> list[HitOut]:
    return [HitOut.model_validate(hit) for hit in hits]
