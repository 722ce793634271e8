"""Pages of the review queue: matches next to their samples, and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery, previews, reviews
from uninote.service.app.previews import NotePreview
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.errors import InvalidError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import Before, Choice, RowIdPath
from uninote.service.schemas.gallery import Sample
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import Verdict, VerdictIn

PAGE = 20
VERDICTS = get_args(Verdict)

router = APIRouter()


@dataclass(frozen=True)
class Case:
    """Match with its note and sample. None: deleted since the queue was read."""

    match: MatchOut
    note: NotePreview | None
    sample: Sample | None


@router.get("/console/review", openapi_extra=needs("read"))
async def queue(
    request: Request, service: Service, category: Choice = "", verdict: Choice = "", before: Before = None
) -> Response:
    """Show a page of the queue, the newest matches first."""
    if verdict and verdict not in VERDICTS:
        raise InvalidError(f"a verdict is one of {', '.join(VERDICTS)}")
    matches = await reviews.queue(service, category or None, verdict or None, before, PAGE)
    return pages.render(
        request,
        "review_cases.html" if pages.is_fragment(request.scope) else "review.html",
        cases=await _cases(service, matches),
        before=matches[-1].id if len(matches) == PAGE else None,
        category=category,
        verdict=verdict,
        verdicts=VERDICTS,
        categories=await gallery.categories(service),
        quality=await reviews.quality(service),
    )


@router.post("/console/review/{match_id}", openapi_extra=needs("operate"))
async def judge(
    request: Request, match_id: RowIdPath, sent: Form, service: Service, caller: Caller
) -> Response:
    """Record a verdict, and show the case with it."""
    body = forms.checked(VerdictIn, verdict=forms.text(sent, "verdict"), comment=forms.text(sent, "comment"))
    await reviews.judge(service, match_id, body, caller.actor)
    if not pages.is_fragment(request.scope):
        return RedirectResponse("/console/review", 303)
    case = (await _cases(service, [await reviews.match(service, match_id)]))[0]
    return pages.render(request, "review_case.html", case=case, verdicts=VERDICTS)


async def _cases(services: Services, matches: list[MatchOut]) -> list[Case]:
    notes, samples = await previews.sides(services, matches)
    return [Case(one, notes.get(one.note_id), samples.get(one.sample_id)) for one in matches]
