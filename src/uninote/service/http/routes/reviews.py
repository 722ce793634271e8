"""The review queue: hits, verdicts, and verdicts as training data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from uninote.service.domain.review import export, verdicts
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas.common import Before, Limit, NameQuery, RowIdPath
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import Matches, QualityList, QualityOut, Review, Verdict, VerdictIn

JSONL = "application/x-ndjson"

router = APIRouter(tags=["reviews"], responses=RESPONSES)


@router.get("/v1/matches")
async def list_matches(
    service: Service,
    category: NameQuery = None,
    verdict: Verdict | None = None,
    before: Before = None,
    limit: Limit = 50,
) -> Matches:
    """Matches with that verdict, the newest first; without `verdict` those that wait for one."""
    found = await service.transaction(
        lambda session: verdicts.queue(
            session, category=category, verdict=verdict, before=before, limit=limit
        )
    )
    return Matches(matches=[MatchOut.model_validate(one) for one in found])


@router.post("/v1/matches/{match_id}/verdict")
async def judge(match_id: RowIdPath, body: VerdictIn, service: Service, caller: Caller) -> Review:
    """Record a verdict. A later one replaces it in the queue and stays beside it in the history."""
    review = await service.transaction(
        lambda session: verdicts.judge(session, match_id, body.verdict, caller.actor, body.comment)
    )
    return Review.model_validate(review)


@router.get("/v1/reviews/quality")
async def quality(service: Service) -> QualityList:
    """Open matches and verdicts per category."""
    return QualityList(
        categories=[QualityOut.model_validate(one) for one in await service.transaction(verdicts.quality)]
    )


@router.get(
    "/v1/reviews/export",
    response_class=Response,
    responses={200: {"content": {JSONL: {"schema": {"type": "string"}}}}},
)
async def export_verdicts(
    service: Service,
    form: Annotated[
        Literal["pairs", "examples"],
        Query(description="pairs for `uninote mine`, examples for `uninote train sft`"),
    ] = "examples",
    category: NameQuery = None,
) -> Response:
    """Verdicts as training data: confirmed hits are positives, refuted ones hard negatives."""

    def work(session: Session) -> bytes:
        with tempfile.TemporaryDirectory(prefix="uninote-") as folder:
            export.export_verdicts(session, Path(folder), category)
            return (Path(folder) / (export.PAIRS if form == "pairs" else export.EXAMPLES)).read_bytes()

    return Response(await service.transaction(work), media_type=JSONL)
