"""Use cases of search over the stored notes, one query at a time."""

from __future__ import annotations

from numpy.typing import ArrayLike
from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.app.decode import item_of, note_of, task_of
from uninote.service.app.services import Services
from uninote.service.db.gallery_tables import SampleVector
from uninote.service.db.note_tables import NoteVector, StoredNote
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import search
from uninote.service.domain.notes.category_names import unknown_categories
from uninote.service.domain.notes.search import NoteHit
from uninote.service.errors import NotFoundError
from uninote.service.schemas.search import FoundNote, Query, SearchAnswer, SearchRequest
from uninote.store.protocol import Filter
from uninote.tasks.definitions import Task

PREVIEW_CHARS = 160


async def search_notes(services: Services, request: SearchRequest) -> SearchAnswer:
    """Return the notes nearest to the query. Raises NotFoundError, and as `item_of` and `embed` do."""
    version = await services.model_sync.active()
    query = await _query_vector(services, request.query, version)
    chosen = request.filter.to_filter()
    near = await _candidates(services, version, query, request.k, chosen)

    def work(session: Session) -> list[FoundNote]:
        # The version that encoded the query, even if another one became active meanwhile.
        model = versions.get(session, version)
        if near is not None:
            floor = -1.0 if request.min_score is None else request.min_score
            hits = search.rescored(session, model, query, near, request.k, chosen, threshold=floor)
        elif request.min_score is None:
            hits = search.search(session, model, query, request.k, chosen, cache=services.plans)
        else:
            hits = search.within(session, model, query, request.min_score, chosen, request.k)
        return _shown(session, hits)

    found = await services.read(work)
    hint = None
    if not found and request.filter.categories:
        wanted = request.filter.categories
        hint = await services.read(lambda session: unknown_categories(session, version, wanted))
    return SearchAnswer(model=version, hits=found, hint=hint)


async def next_page(services: Services, request: SearchRequest, after: tuple[float, str]) -> SearchAnswer:
    """Return the notes after the one of that score and id in the result. Raises as `search_notes`."""
    version = await services.model_sync.active()
    query = await _query_vector(services, request.query, version)

    def work(session: Session) -> list[FoundNote]:
        model = versions.get(session, version)
        floor = -1.0 if request.min_score is None else request.min_score
        chosen = request.filter.to_filter()
        hits = search.following(session, model, query, after, request.k, chosen, threshold=floor)
        return _shown(session, hits)

    return SearchAnswer(model=version, hits=await services.transaction(work))


async def _query_vector(services: Services, query: Query, version: str) -> ArrayLike:
    """Return the query's vector float [dim] by that model version. Raises NotFoundError."""
    if query.note_id is not None or query.sample_id is not None:
        return await services.transaction(lambda session: _stored(session, query, version))
    if query.note is not None:
        item, task = (await note_of(services, "query", query.note)).item(), Task.NOTE2NOTE
    else:
        item = await item_of(services, query)
        task = task_of(item)
    vector: ArrayLike = (await services.embedding.embed([item], version, task))[0]
    return vector


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


async def _candidates(
    services: Services, version: str, query: ArrayLike, k: int, filter: Filter
) -> list[str] | None:
    """Return ids found by the vector cluster, see `MilvusSync.candidates`; None to search the database."""
    if services.milvus is None:
        services.metrics.searches.labels("database").inc()
        return None
    dim = services.models.get(version).dims[-1]
    return await services.milvus_executor.run(services.milvus.candidates, version, dim, query, k, filter)


def _shown(session: Session, hits: list[NoteHit]) -> list[FoundNote]:
    """Return hits with title, preview and pictures; a note that was deleted meanwhile is left out."""
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
