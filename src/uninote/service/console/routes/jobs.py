"""Pages of back-check jobs: list, progress and hits."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery, jobs, previews
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.errors import InvalidError
from uninote.service.http import responses
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import AfterNote, AfterSample, Before, RowIdPath
from uninote.service.schemas.jobs import JobIn

PAGE = 25
MAX_SAMPLES = 1000  # what one job takes

router = APIRouter()


@router.get("/console/jobs", openapi_extra=needs("read"))
async def listing(request: Request, service: Service, before: Before = None) -> Response:
    """Show jobs, the newest first, and the form for a new one."""
    found = await jobs.listing(service, before, PAGE)
    return pages.render(
        request,
        "jobs.html",
        jobs=found,
        before=found[-1].id if len(found) == PAGE else None,
        categories=await gallery.categories(service),
    )


@router.post("/console/jobs", openapi_extra=needs("operate"))
async def create(sent: Form, service: Service, caller: Caller) -> Response:
    """Create a job for one sample, or for all enabled samples of a category."""
    sample_id, category = forms.number(sent, "sample_id"), forms.exact(sent, "category")
    ids: list[float] = [] if sample_id is None else [sample_id]
    if category and not ids:
        ids = [*await jobs.enabled_samples(service, category, MAX_SAMPLES + 1)]
    if not ids:
        raise InvalidError("There is no enabled sample to look for.")
    if len(ids) > MAX_SAMPLES:
        raise InvalidError(f"A job takes {MAX_SAMPLES} samples; make several through the API.")
    threshold = forms.number(sent, "threshold")
    body = forms.checked(JobIn, sample_ids=ids, threshold=threshold, record="record" in sent)
    job = await jobs.create(service, body, caller.actor)
    return RedirectResponse(f"/console/jobs/{job.id}", 303)


@router.get("/console/jobs/{job_id}", openapi_extra=needs("read"))
async def read(
    request: Request,
    job_id: RowIdPath,
    service: Service,
    after_note: AfterNote = "",
    after_sample: AfterSample = 0,
) -> Response:
    """Show a job with a page of its hits; to htmx, its progress only."""
    job = await jobs.get(service, job_id)
    if pages.is_fragment(request.scope):
        if job.finished is not None:  # the whole page again, with the hits
            return Response(status_code=204, headers={"HX-Refresh": "true"})
        return pages.render(request, "job_progress.html", job=job)
    hits = await jobs.hits(service, job_id, (after_note, after_sample), PAGE)
    notes, samples = await previews.sides(service, hits)
    after = hits[-1] if len(hits) == PAGE else None
    return pages.render(request, "job.html", job=job, hits=hits, notes=notes, samples=samples, after=after)


@router.get("/console/jobs/{job_id}/export", openapi_extra=needs("read"))
async def export(job_id: RowIdPath, service: Service, form: Literal["jsonl", "csv"] = "csv") -> Response:
    """Export all hits of a job as a file."""
    return responses.job_hits(job_id, form, await jobs.export(service, job_id, form))


@router.post("/console/jobs/{job_id}/cancel", openapi_extra=needs("operate"))
async def cancel(job_id: RowIdPath, service: Service, caller: Caller) -> Response:
    """Cancel a job after its current page."""
    await jobs.cancel(service, job_id, caller.actor)
    return RedirectResponse(f"/console/jobs/{job_id}", 303)


@router.post("/console/jobs/{job_id}/resume", openapi_extra=needs("operate"))
async def resume(job_id: RowIdPath, service: Service, caller: Caller) -> Response:
    """Continue a job where it stopped."""
    await jobs.resume(service, job_id, caller.actor)
    return RedirectResponse(f"/console/jobs/{job_id}", 303)
