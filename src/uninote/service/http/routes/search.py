"""Offline mode, one query at a time: the nearest stored notes to anything."""

from __future__ import annotations

from fastapi import APIRouter
from numpy.typing import ArrayLike
from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.app.decode import item_of, note_of, task_of
from uninote.service.app.services import Runtime
from uninote.service.db.gallery_tables import SampleVector
from uninote.service.db.note_tables import NoteVector, StoredNote
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import search
from uninote.service.domain.notes.search import NoteHit
from uninote.service.errors import NotFoundError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.search import FoundNote, Query, SearchAnswer, SearchRequest
from uninote.tasks.definitions import Task

PREVIEW_CHARS = 160

router = APIRouter(tags=["search"], responses=RESPONSES)


@router.post("/v1/search")
async def search_notes(body: SearchRequest, service: Service) -> SearchAnswer:
    """Find stored notes by text, pictures, a video, a note, a stored note or a gallery sample."""
    version = await service.active()
    query = await query_vector(service, body.query, version)
    chosen = body.filter.to_filter()
    near = await service.candidates(version, query, body.k, chosen)

    def work(session: Session) -> list[FoundNote]:
        # The vector's own version, also when another one became active meanwhile.
        model = versions.get(session, version)
        if near is not None:
            floor = -1.0 if body.min_score is None else body.min_score
            hits = search.rescored(session, model, query, near, body.k, chosen, threshold=floor)
        elif body.min_score is None:
            hits = search.search(session, model, query, body.k, chosen, known=service.plans)
        else:
            hits = search.within(session, model, query, body.min_score, chosen, body.k)
        return shown(session, hits)

    return SearchAnswer(model=version, hits=await service.read(work))


def shown(session: Session, hits: list[NoteHit]) -> list[FoundNote]:
    """Hits with what people look at; one that was deleted since it was found is left out."""
    wanted = select(StoredNote).where(StoredNote.id.in_([hit.note_id for hit in hits]))
    payloads = {note.id: note.payload for note in session.scalars(wanted)}
    return [
        FoundNote(
            note_id=hit.note_id,
            score=hit.score,
            kind=hit.kind,
            category=hit.category,
            time=hit.time,
            title=payload["title"],
            preview=payload["body"][:PREVIEW_CHARS],
            pictures=[picture["digest"] for picture in payload["pictures"]],
        )
        for hit in hits
        if (payload := payloads.get(hit.note_id)) is not None
    ]


async def query_vector(service: Runtime, query: Query, version: str) -> ArrayLike:
    """The vector of what is searched with, by that model version."""
    if query.note_id is not None or query.sample_id is not None:
        return await service.transaction(lambda session: _stored(session, query, version))
    if query.note is not None:
        note = await note_of(service, "query", query.note)
        return await service.embed_one(note.item(), version, Task.NOTE2NOTE)
    item = await item_of(service, query)
    return await service.embed_one(item, version, task_of(item))


def _stored(session: Session, query: Query, version: str) -> list[float]:
    model = versions.get(session, version).id
    row = (
        session.get(NoteVector, (query.note_id, model))
        if query.note_id is not None
        else session.get(SampleVector, (query.sample_id, model))
    )
    if row is None:
        raise NotFoundError("nothing is stored under this id, or not yet for the active model version")
    return row.vector
