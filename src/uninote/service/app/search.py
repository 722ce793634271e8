"""Use cases of search over the stored notes, one query at a time."""

from __future__ import annotations

import base64
import hashlib
import json

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
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.service.schemas.search import FoundNote, Query, SearchAnswer, SearchRequest
from uninote.store.protocol import Filter
from uninote.store.validate import storable
from uninote.tasks.definitions import Task

PREVIEW_CHARS = 160


async def search_notes(services: Services, request: SearchRequest) -> SearchAnswer:
    """Return a page of the notes nearest to the query, and the place of the next one.

    With a lowest score or after the first page, all notes are compared. Raises NotFoundError, InvalidError or
    ConflictError for an unusable place, and as `item_of` and `embed` do.
    """
    version = await services.model_sync.active()
    after = None if request.after is None else _place(request, version)
    query = await _query_vector(services, request.query, version)
    chosen = request.filter.to_filter()
    more = request.k + 1  # one more than asked for tells whether there is another page
    exact = after is not None or request.min_score is not None
    near = None if exact else await _candidates(services, version, query, more, chosen)

    def work(session: Session) -> tuple[list[NoteHit], list[FoundNote], str]:
        # The version that encoded the query, even if another one became active meanwhile.
        model = versions.get(session, version)
        if exact:
            floor = -1.0 if request.min_score is None else request.min_score
            hits = search.within(session, model, query, floor, chosen, limit=more, after=after)
            return hits, _shown(session, hits[: request.k]), "database"
        found = None if near is None else search.rescored(session, model, query, near, more, chosen)
        hits = found or search.search(session, model, query, more, chosen, cache=services.plans)
        return hits, _shown(session, hits[: request.k]), "database" if found is None else "cluster"

    hits, shown, answered = await services.read(work)
    services.metrics.searches.labels(answered).inc()
    following = _written(hits[request.k - 1], request, version) if len(hits) == more else None
    hint = None
    if not shown and after is None and request.filter.categories:
        wanted = request.filter.categories
        hint = await services.read(lambda session: unknown_categories(session, version, wanted))
    return SearchAnswer(model=version, hits=shown, next=following, hint=hint)


def _written(hit: NoteHit, request: SearchRequest, version: str) -> str:
    """Return the place of a hit in the results of a query, as text for the client."""
    place = json.dumps([hit.score, hit.note_id, version, _query_key(request)], ensure_ascii=False)
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(request: SearchRequest, version: str) -> tuple[float, str]:
    """Return the score and note id of `request.after`.

    Raises InvalidError when it is no place or one of another query, ConflictError for another version's.
    """
    try:
        score, note_id, made_by, key = json.loads(base64.b64decode(request.after or "", b"-_", validate=True))
        place = float(score), str(note_id)
    except (ValueError, TypeError, OverflowError, RecursionError):
        place, made_by, key = (2.0, ""), version, ""
    if not -1 <= place[0] <= 1 or not storable(place[1]):
        raise InvalidError("`after` is not the `next` of an answer; search again from the first page")
    if key != _query_key(request):
        raise InvalidError("`after` is of another query or filter; search again from the first page")
    if made_by != version:
        raise ConflictError("another model version became active; search again from the first page")
    return place


def _query_key(request: SearchRequest) -> str:
    """Return a digest of what all pages of a result have in common."""
    common = request.model_dump_json(exclude={"k", "after"})
    return hashlib.sha256(common.encode("utf-8", "replace")).hexdigest()[:16]


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
