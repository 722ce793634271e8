"""Pages of explanations: of a case of the review queue, and of a search result."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from uninote.attribution.contributions import Explanation
from uninote.service.app import previews
from uninote.service.app.explain import explain, explain_match
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.bars import Bar, bars, digests
from uninote.service.console.forms import Form
from uninote.service.console.routes.search import FIELDS, request_of
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.common import RowIdPath
from uninote.service.schemas.search import Query

router = APIRouter()


@router.get("/console/review/{match_id}/why", openapi_extra=needs("read"))
async def of_match(request: Request, match_id: RowIdPath, service: Service) -> Response:
    """Explain a match by the parts of its note and its sample."""
    version, found = await explain_match(service, request.state.charge, match_id)
    return await _rendered(service, request, found, version, names=("Note", "Sample"), blurred=True)


@router.post("/console/why", openapi_extra=needs("read"))
async def of_result(request: Request, sent: Form, service: Service) -> Response:
    """Explain a search result by the parts of the query and of the note `target`."""
    given = {name: forms.text(sent, name) for name in FIELDS}
    body = await request_of(service, given, await forms.media(sent))
    target = forms.checked(Query, note_id=forms.text(sent, "target"))
    version, found = await explain(service, request.state.charge, body.query, target)
    return await _rendered(service, request, found, version, names=("Searched with", "Found"), blurred=False)


async def _rendered(
    service: Services,
    request: Request,
    found: Explanation,
    version: str,
    names: tuple[str, str],
    blurred: bool,
) -> Response:
    shown = await previews.stored_pictures(service, digests(found))
    sides: list[tuple[str, list[Bar]]] = [*zip(names, bars(found, shown), strict=True)]
    template = "why_panel.html" if pages.is_fragment(request.scope) else "why.html"
    return pages.render(request, template, score=found.score, model=version, sides=sides, blurred=blurred)
