"""The review queue: matches beside the samples that they hit, and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from uninote.service.app.services import Runtime
from uninote.service.console import forms, pages, views
from uninote.service.console.forms import Form
from uninote.service.db.gallery_tables import VERDICTS, Match
from uninote.service.errors import InvalidError, NotFoundError
from uninote.service.http.routes import gallery, reviews
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas.common import Before, RowIdPath
from uninote.service.schemas.gallery import Sample
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import VerdictIn

PAGE = 20

router = APIRouter()
Choice = Annotated[str, Query(max_length=256, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Case:
    """A match with both of its sides. None: deleted since the queue was read."""

    match: MatchOut
    note: views.NoteView | None
    sample: Sample | None


@router.get("/console/review")
async def queue(
    request: Request, service: Service, category: Choice = "", verdict: Choice = "", before: Before = None
) -> Response:
    """A page of the queue, the newest first."""
    if verdict and verdict not in VERDICTS:
        raise InvalidError(f"a verdict is one of {', '.join(VERDICTS)}")
    chosen = verdict or None
    page = await reviews.list_matches(service, category or None, chosen, before, PAGE)  # type: ignore[arg-type]
    cases = await _cases(service, page.matches)
    return pages.render(
        request,
        "review_cases.html" if pages.is_fragment(request.scope) else "review.html",
        cases=cases,
        before=page.matches[-1].id if len(page.matches) == PAGE else None,
        category=category,
        verdict=verdict,
        verdicts=VERDICTS,
        categories=(await gallery.list_categories(service)).categories,
        quality=(await reviews.quality(service)).categories,
    )


@router.post("/console/review/{match_id}")
async def judge(
    request: Request, match_id: RowIdPath, sent: Form, service: Service, caller: Caller
) -> Response:
    """A verdict; the answer is the case with it."""
    body = forms.checked(VerdictIn, verdict=forms.text(sent, "verdict"), comment=forms.text(sent, "comment"))
    await reviews.judge(match_id, body, service, caller)
    if not pages.is_fragment(request.scope):
        return RedirectResponse("/console/review", 303)

    def work(session: Session) -> MatchOut:
        match = session.get(Match, match_id)
        if match is None:
            raise NotFoundError("the match is gone: its note has changed or was deleted")
        return MatchOut.model_validate(match)

    case = (await _cases(service, [await service.transaction(work)]))[0]
    return pages.render(request, "review_case.html", case=case, verdicts=VERDICTS)


async def _cases(service: Runtime, matches: list[MatchOut]) -> list[Case]:
    def work(session: Session) -> list[Case]:
        notes = views.notes(session, [match.note_id for match in matches])
        samples = views.samples(session, [match.sample_id for match in matches])
        return [Case(one, notes.get(one.note_id), samples.get(one.sample_id)) for one in matches]

    return await service.transaction(work)
