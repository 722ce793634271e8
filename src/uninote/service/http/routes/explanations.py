"""Why it matched: what each picture and each sentence contributes to the similarity of two items."""

from __future__ import annotations

from fastapi import APIRouter, Request

from uninote.service.app.explain import explain, explain_match, side
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Service
from uninote.service.schemas.common import RowIdPath
from uninote.service.schemas.explanations import ExplanationOut, ExplanationRequest, answer

router = APIRouter(tags=["explanations"], responses=RESPONSES)


@router.post("/v1/explanations")
async def explain_items(body: ExplanationRequest, request: Request, service: Service) -> ExplanationOut:
    """Any two items: each part is left out once, and the similarity that is lost is what it contributes."""
    version = await service.active()
    query, task = await side(service, body.query)
    target, _ = await side(service, body.target)
    return answer(version, await explain(service, request, query, target, version, task))


@router.get("/v1/matches/{match_id}/explanation")
async def explain_one_match(match_id: RowIdPath, request: Request, service: Service) -> ExplanationOut:
    """A match: the note is the query, the sample the target, by the model version that made it."""
    version, found = await explain_match(service, request, match_id)
    return answer(version, found)
