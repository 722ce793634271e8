"""Pages of thresholds: distribution of scores, proposals, and setting a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.errors import CalibrationError
from uninote.service.app import gallery, thresholds
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.console.histogram import Chart, chart
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import Choice
from uninote.service.schemas.gallery import CalibrationIn, CalibrationOut, CategoryState, ThresholdIn

BINS = 48

router = APIRouter()


@dataclass(frozen=True)
class Scores:
    """Histogram of stored notes' best scores with a category, and the hits of the threshold."""

    count: int
    chart: Chart
    threshold: float | None
    hits: int | None


@router.get("/console/thresholds", openapi_extra=needs("read"))
async def read(
    request: Request,
    service: Service,
    category: Choice = "",
    method: Choice = "",
    target: Choice = "",
    version: Choice = "",
) -> Response:
    """Show the scores of a category, its threshold with the history, and a proposal if `method` is set.

    version: another version than the active one, to set its thresholds before a switch.
    """
    categories = await gallery.categories(service)
    chosen = next((one for one in categories if one.name == category), None)
    if category and chosen is None:
        raise NotFoundError(f"There is no category {category!r}.")
    scores: Scores | None = None
    proposal: CalibrationOut | None = None
    problem = ""
    if chosen is not None:
        try:
            proposal = await _proposal(service, category, method, target, version) if method else None
            scores = await _scores(service, chosen, proposal, version)
        except (CalibrationError, InvalidError, NotFoundError, ConflictError) as error:
            problem = str(error)
            if method and scores is None:
                scores = await _scores_or_none(service, chosen, version)
    history = await thresholds.history(service, category, 20) if chosen else []
    return pages.render(
        request,
        "thresholds.html",
        categories=categories,
        category=chosen,
        scores=scores,
        proposal=proposal,
        reviewed=_reviewed(proposal),
        problem=problem,
        history=history,
        seen=await thresholds.in_force(service, category, version) if chosen else None,
        method=method or "volume",
        target=target,
        version=version,
    )


@router.post("/console/thresholds", openapi_extra=needs("operate"))
async def put(sent: Form, service: Service, caller: Caller) -> Response:
    """Set a threshold, unless another one is in force than the form was made from."""
    category, value = forms.exact(sent, "category"), forms.number(sent, "value")
    if value is None:
        raise InvalidError("Give the threshold, a number from -1 to 1.")
    version, reason = forms.text(sent, "version"), forms.text(sent, "reason")
    fields = {"category": category, "value": value, "version": version or None, "reason": reason}
    if "seen" in sent:
        fields["replaces"] = forms.number(sent, "seen")
    body = forms.checked(ThresholdIn, **fields)
    await thresholds.put(service, body, caller.actor)
    shown = f"&version={quote(version, safe='')}" if version else ""
    return RedirectResponse(f"/console/thresholds?category={quote(category, safe='')}{shown}", 303)


async def _proposal(
    service: Services, category: str, method: str, target: str, version: str
) -> CalibrationOut:
    wanted = forms.number({"target": target}, "target")
    if wanted is None:
        raise InvalidError("Give a target: a number of hits, or a fraction for precision and recall.")
    body = forms.checked(
        CalibrationIn, category=category, method=method, target=wanted, version=version or None
    )
    return await thresholds.calibrate(service, body)


def _reviewed(proposal: CalibrationOut | None) -> Chart | None:
    """Return the chart of reviewed matches, if the proposal is based on them."""
    if proposal is None or not proposal.histogram.positives:
        return None
    shape = proposal.histogram
    lines = [(proposal.threshold, f"proposed {proposal.threshold:.3f}")]
    return chart(shape.edges, shape.counts, shape.positives, lines)


async def _scores(
    service: Services, category: CategoryState, proposal: CalibrationOut | None, version: str
) -> Scores:
    found = await thresholds.distribution(service, category.name, version, BINS)
    lines = [] if found.threshold is None else [(found.threshold, f"in force {found.threshold:.3f}")]
    if proposal is not None:
        lines.append((proposal.threshold, f"proposed {proposal.threshold:.3f}"))
    drawn = chart(found.histogram.edges, found.histogram.counts, lines=lines)
    return Scores(found.count, drawn, found.threshold, found.hits)


async def _scores_or_none(service: Services, category: CategoryState, version: str) -> Scores | None:
    try:
        return await _scores(service, category, None, version)
    except NotFoundError:
        return None
