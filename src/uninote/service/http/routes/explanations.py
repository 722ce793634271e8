"""Routes of explanations: contributions of pictures and sentences to the similarity of two items."""

from __future__ import annotations

from fastapi import APIRouter, Request

from uninote.service.app.explain import explain, explain_match
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas.common import RowIdPath
from uninote.service.schemas.explanations import ExplanationOut, ExplanationRequest, answer

router = APIRouter(tags=["explanations"], responses=RESPONSES)


@router.post("/v1/explanations", openapi_extra=needs("read"))
async def explain_items(body: ExplanationRequest, request: Request, service: Service) -> ExplanationOut:
    """Explain the similarity of any two items.

    Each part is left out once; its contribution is the decrease of the similarity.
    """
    return answer(*await explain(service, request.state.charge, body.query, body.target))


@router.get("/v1/matches/{match_id}/explanation", openapi_extra=needs("read"))
async def explain_one_match(match_id: RowIdPath, request: Request, service: Service) -> ExplanationOut:
    """Explain a match by the model version that made it. The note is the query, the sample the target."""
    return answer(*await explain_match(service, request.state.charge, match_id))
