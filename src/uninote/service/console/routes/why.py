"""Pages of explanations: of a case of the review queue, and of a search result."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from fastapi.responses import Response

from uninote.attribution.contributions import Explanation
from uninote.service.app import previews
from uninote.service.app.explain import explain, explain_match
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.asked import Asked, FromAddress, of_form, request_of
from uninote.service.console.bars import Bar, bars, digests
from uninote.service.console.forms import Form
from uninote.service.console.uploads import uploads
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.common import RequiredNoteId, RowIdPath
from uninote.service.schemas.search import Query

router = APIRouter()


@router.get("/console/review/{match_id}/why", openapi_extra=needs("read"))
async def of_match(request: Request, match_id: RowIdPath, service: Service) -> Response:
    """Explain a match by the parts of its note and its sample."""
    version, found = await explain_match(service, request.state.charge, match_id)
    return await _rendered(service, request, found, version, names=("Note", "Sample"), blurred=True)


@router.get("/console/why", openapi_extra=needs("read"))
async def of_result(
    request: Request, asked: FromAddress, target: RequiredNoteId, service: Service
) -> Response:
    """Explain a search result by the parts of the query and of the note `target`."""
    return await _of_result(request, service, asked, target)


@router.post("/console/why", openapi_extra=needs("read"))
async def of_uploads(request: Request, sent: Form, service: Service) -> Response:
    """Explain a result as `of_result`, for a query with files that are not kept."""
    asked = replace(of_form(sent), media=(await uploads(service, sent)).media)
    return await _of_result(request, service, asked, forms.text(sent, "target"))


async def _of_result(request: Request, service: Services, asked: Asked, note_id: str) -> Response:
    body = await request_of(service, asked)
    target = forms.checked(Query, note_id=note_id)
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
