"""Routes of back-check jobs: searches of the stored notes for gallery samples."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from uninote.service.app import jobs
from uninote.service.http import responses
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.http.responses import JSONL
from uninote.service.schemas.common import AfterNote, AfterSample, Before, Limit, RowIdPath
from uninote.service.schemas.jobs import JobHits, JobIn, JobOut, Jobs

router = APIRouter(tags=["back-check"], responses=RESPONSES)


@router.get("/v1/jobs", openapi_extra=needs("read"))
async def list_jobs(service: Service, before: Before = None, limit: Limit = 50) -> Jobs:
    """List jobs, the newest first."""
    return Jobs(jobs=await jobs.listing(service, before, limit))


@router.post("/v1/jobs", openapi_extra=needs("operate"))
async def create_job(body: JobIn, service: Service, caller: Caller) -> JobOut:
    """Create a job that searches the notes stored by now for samples. It runs in the background.

    An equal job of this key that is still open, with the gallery unchanged since, is the answer instead.
    """
    return await jobs.create(service, body, caller.actor)


@router.get("/v1/jobs/{job_id}", openapi_extra=needs("read"))
async def read_job(job_id: RowIdPath, service: Service) -> JobOut:
    """Return a job with its progress."""
    return await jobs.get(service, job_id)


@router.post("/v1/jobs/{job_id}/cancel", openapi_extra=needs("operate"))
async def cancel_job(job_id: RowIdPath, service: Service, caller: Caller) -> JobOut:
    """Cancel a job after its current page. Its hits are kept."""
    return await jobs.cancel(service, job_id, caller.actor)


@router.post("/v1/jobs/{job_id}/resume", openapi_extra=needs("operate"))
async def resume_job(job_id: RowIdPath, service: Service, caller: Caller) -> JobOut:
    """Continue a failed or cancelled job where it stopped."""
    return await jobs.resume(service, job_id, caller.actor)


@router.get("/v1/jobs/{job_id}/hits", openapi_extra=needs("read"))
async def read_hits(
    job_id: RowIdPath,
    service: Service,
    after_note: AfterNote = "",
    after_sample: AfterSample = 0,
    limit: Limit = 100,
) -> JobHits:
    """List the hits of a job, page by page, also while it runs."""
    return JobHits(hits=await jobs.hits(service, job_id, (after_note, after_sample), limit))


@router.get(
    "/v1/jobs/{job_id}/export",
    response_class=Response,
    responses={
        200: {"content": {JSONL: {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}}
    },
    openapi_extra=needs("read"),
)
async def export_hits(
    job_id: RowIdPath, service: Service, form: Literal["jsonl", "csv"] = "jsonl"
) -> StreamingResponse:
    """Export all hits of a job as JSON lines or CSV."""
    return responses.job_hits(job_id, form, await jobs.export(service, job_id, form))
