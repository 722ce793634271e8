"""Back-check: gallery samples searched over the stored notes, as jobs that go on after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session

from uninote.service.domain.review import backcheck_jobs, backcheck_worker
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.http.routes.reviews import JSONL
from uninote.service.schemas.common import MAX_ID, Before, Limit, RowIdPath
from uninote.service.schemas.jobs import JobHitOut, JobHits, JobIn, JobOut, Jobs

router = APIRouter(tags=["back-check"], responses=RESPONSES)
AfterNote = Annotated[
    str, Query(max_length=512, pattern=r"^[^\x00]*$", description="the last hit of the page before")
]
AfterSample = Annotated[int, Query(ge=0, le=MAX_ID)]


@router.get("/v1/jobs")
async def list_jobs(service: Service, before: Before = None, limit: Limit = 50) -> Jobs:
    """Jobs, the newest first."""
    found = await service.transaction(
        lambda session: backcheck_jobs.listing(session, before=before, limit=limit)
    )
    return Jobs(jobs=[JobOut.model_validate(one) for one in found])


@router.post("/v1/jobs")
async def create_job(body: JobIn, service: Service, caller: Caller) -> JobOut:
    """Search the notes stored by now for samples. It runs beside the requests and shows its progress."""
    job = await service.transaction(
        lambda session: backcheck_jobs.create(
            session,
            body.sample_ids,
            caller.actor,
            threshold=body.threshold,
            version=body.version,
            filter=body.filter.to_filter(),
            record=body.record,
        )
    )
    service.jobs.wake()
    return JobOut.model_validate(job)


@router.get("/v1/jobs/{job_id}")
async def read_job(job_id: RowIdPath, service: Service) -> JobOut:
    """One job with its progress."""
    return JobOut.model_validate(
        await service.transaction(lambda session: backcheck_jobs.get(session, job_id))
    )


@router.post("/v1/jobs/{job_id}/cancel")
async def cancel_job(job_id: RowIdPath, service: Service, caller: Caller) -> JobOut:
    """Stop it after the page it works on. What it found stays."""
    return JobOut.model_validate(
        await service.transaction(lambda session: backcheck_jobs.cancel(session, job_id, caller.actor))
    )


@router.post("/v1/jobs/{job_id}/resume")
async def resume_job(job_id: RowIdPath, service: Service, caller: Caller) -> JobOut:
    """Go on with a failed or cancelled job where it stopped."""
    job = await service.transaction(lambda session: backcheck_jobs.resume(session, job_id, caller.actor))
    service.jobs.wake()
    return JobOut.model_validate(job)


@router.get("/v1/jobs/{job_id}/hits")
async def read_hits(
    job_id: RowIdPath,
    service: Service,
    after_note: AfterNote = "",
    after_sample: AfterSample = 0,
    limit: Limit = 100,
) -> JobHits:
    """A page of what it found, also while it runs."""

    def work(session: Session) -> list[JobHitOut]:
        backcheck_jobs.get(session, job_id)
        found = backcheck_jobs.hits(session, job_id, after=(after_note, after_sample), limit=limit)
        return [JobHitOut.model_validate(one) for one in found]

    return JobHits(hits=await service.transaction(work))


@router.get(
    "/v1/jobs/{job_id}/export",
    response_class=Response,
    responses={
        200: {"content": {JSONL: {"schema": {"type": "string"}}, "text/csv": {"schema": {"type": "string"}}}}
    },
)
async def export_hits(
    job_id: RowIdPath, service: Service, form: Literal["jsonl", "csv"] = "jsonl"
) -> StreamingResponse:
    """All hits as JSON lines or CSV."""
    await service.transaction(lambda session: backcheck_jobs.get(session, job_id))

    def lines() -> Iterator[str]:
        yield from backcheck_worker.export(service.database, job_id, form)

    name = f"attachment; filename=job-{job_id}.{form}"
    kind = JSONL if form == "jsonl" else "text/csv"
    return StreamingResponse(lines(), media_type=kind, headers={"Content-Disposition": name})
