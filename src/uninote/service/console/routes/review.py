"""Pages of the review queue: matches next to their samples, and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, get_args
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery, previews, reviews
from uninote.service.app.previews import NotePreview
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.domain.base.identity import Identity
from uninote.service.errors import ConflictError, InvalidError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import Before, Choice, RowId, RowIdPath, Wire
from uninote.service.schemas.gallery import Sample
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import Verdict, VerdictIn

PAGE = 20
VERDICTS = get_args(Verdict)

router = APIRouter()


class Undo(Wire):
    """Ids of the verdict to take back and of its match."""

    review: RowId
    match: RowId


@dataclass(frozen=True)
class Case:
    """Match with its note and sample. None: deleted since the queue was read."""

    match: MatchOut
    note: NotePreview | None
    sample: Sample | None


@router.get("/console/review", openapi_extra=needs("read"))
async def queue(
    request: Request,
    service: Service,
    caller: Caller,
    category: Choice = "",
    verdict: Choice = "",
    before: Before = None,
    score: Annotated[float, Query(ge=-1, le=1)] = 1.0,
) -> Response:
    """Show a page of the queue: open matches by score, decided ones newest first.

    before, score: id and score of the last match of the page before.
    """
    if verdict and verdict not in VERDICTS:
        raise InvalidError(f"a verdict is one of {', '.join(VERDICTS)}")
    chosen = category or None
    if verdict:
        matches = await reviews.queue(service, chosen, verdict, before, PAGE)
    else:
        place = None if before is None else (score, before)
        matches = await reviews.surest(service, chosen, None, place, PAGE)
    return pages.render(
        request,
        "review_cases.html" if pages.is_fragment(request.scope) else "review.html",
        cases=await _cases(service, matches),
        before=matches[-1] if len(matches) == PAGE else None,
        category=category,
        verdict=verdict,
        standing=await reviews.standing(service, chosen, caller.actor),
        oob=False,
        reason="",
        verdicts=VERDICTS,
        categories=await gallery.categories(service),
        quality=await reviews.quality(service),
    )


@router.post("/console/review/undo", openapi_extra=needs("operate"))
async def undo(request: Request, sent: Form, service: Service, caller: Caller) -> Response:
    """Take a verdict back, and show its case as it was before."""
    ids = forms.checked(Undo, review=forms.text(sent, "review"), match=forms.text(sent, "match"))
    await reviews.undo(service, ids.review, caller.actor)
    return await _judged(request, service, caller, ids.match, forms.exact(sent, "category"))


@router.post("/console/review/{match_id}", openapi_extra=needs("operate"))
async def judge(
    request: Request, match_id: RowIdPath, sent: Form, service: Service, caller: Caller
) -> Response:
    """Record a verdict, and show the case with it; one that was judged meanwhile is shown as it is now."""
    given = {name: forms.text(sent, name) for name in ("verdict", "comment")}
    seen = {"replaces": forms.text(sent, "seen") or None} if "seen" in sent else {}
    reason = ""
    try:
        await reviews.judge(service, match_id, forms.checked(VerdictIn, **given, **seen), caller.actor)
    except ConflictError as error:
        if not pages.is_fragment(request.scope):
            raise
        reason = str(error)
    return await _judged(request, service, caller, match_id, forms.exact(sent, "category"), reason)


async def _judged(
    request: Request, services: Services, caller: Identity, match_id: int, category: str, reason: str = ""
) -> Response:
    """Return the case as it is now, with the state of the queue; without htmx, the queue.

    reason: why the verdict was not saved.
    """
    if not pages.is_fragment(request.scope):
        return RedirectResponse(f"/console/review?category={quote(category, safe='')}", 303)
    return pages.render(
        request,
        "review_judged.html",
        case=(await _cases(services, [await reviews.match(services, match_id)]))[0],
        verdicts=VERDICTS,
        verdict="",
        reason=reason,
        category=category,
        standing=await reviews.standing(services, category or None, caller.actor),
        oob=True,
    )


async def _cases(services: Services, matches: list[MatchOut]) -> list[Case]:
    notes, samples = await previews.sides(services, matches)
    return [Case(one, notes.get(one.note_id), samples.get(one.sample_id)) for one in matches]
