"""Routes of reviews: the queue of matches, verdicts, and their export as training data."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from uninote.service.app import reviews
from uninote.service.errors import InvalidError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.http.responses import JSONL
from uninote.service.schemas.common import Before, Limit, NameQuery, RowIdPath
from uninote.service.schemas.reviews import Matches, QualityList, Review, Verdict, VerdictIn

router = APIRouter(tags=["reviews"], responses=RESPONSES)


@router.get("/v1/matches", openapi_extra=needs("read"))
async def list_matches(
    service: Service,
    category: NameQuery = None,
    verdict: Verdict | None = None,
    order: Annotated[
        Literal["newest", "score"], Query(description="newest first, or the highest score first")
    ] = "newest",
    before: Before = None,
    before_score: Annotated[
        float | None, Query(ge=-1, le=1, description="for `order=score`: the score of that last match")
    ] = None,
    limit: Limit = 50,
) -> Matches:
    """List matches with that verdict; without `verdict`, the open ones."""
    if order == "newest":
        if before_score is not None:
            raise InvalidError("before_score is of order=score only; leave it out")
        found = await reviews.queue(service, category, verdict, before, limit + 1)
    elif (before is None) != (before_score is None):
        raise InvalidError("with order=score a page continues after `before` and `before_score`; send both")
    else:
        place = None if before is None or before_score is None else (before_score, before)
        found = await reviews.surest(service, category, verdict, place, limit + 1)
    return Matches(matches=found[:limit], more=len(found) > limit)


@router.post("/v1/matches/{match_id}/verdict", openapi_extra=needs("operate"))
async def judge(match_id: RowIdPath, body: VerdictIn, service: Service, caller: Caller) -> Review:
    """Record a verdict. A later one replaces it in the queue; the history keeps both.

    The same verdict on the same match by the same key changes nothing: its record is the answer.
    """
    return await reviews.judge(service, match_id, body, caller.actor)


@router.post("/v1/reviews/{review_id}/undo", openapi_extra=needs("operate"))
async def undo(review_id: RowIdPath, service: Service, caller: Caller) -> Review:
    """Take back the last verdict on a match. The one before it counts again, or the match is open again.

    The answer is the record of the undo; repeating it changes nothing.
    """
    return await reviews.undo(service, review_id, caller.actor)


@router.get("/v1/reviews/quality", openapi_extra=needs("read"))
async def quality(service: Service) -> QualityList:
    """Count open matches and verdicts per category."""
    return QualityList(categories=await reviews.quality(service))


@router.get(
    "/v1/reviews/export",
    response_class=Response,
    responses={200: {"content": {JSONL: {"schema": {"type": "string"}}}}},
    openapi_extra=needs("operate"),
)
async def export_verdicts(
    service: Service,
    form: Annotated[
        Literal["pairs", "examples"],
        Query(description="pairs for `uninote mine`, examples for `uninote train sft`"),
    ] = "examples",
    category: NameQuery = None,
) -> Response:
    """Export verdicts as training data: true positives are positives, false ones are hard negatives."""
    return Response(await reviews.export_verdicts(service, form, category), media_type=JSONL)
