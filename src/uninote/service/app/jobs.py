"""Use cases of back-check jobs: searches of the stored notes for gallery samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from sqlalchemy.orm import Session

from uninote.service.app.services import Services
from uninote.service.domain.gallery import samples
from uninote.service.domain.review import backcheck_jobs, backcheck_worker
from uninote.service.schemas.jobs import JobHitOut, JobIn, JobOut


async def listing(services: Services, before: int | None, limit: int) -> list[JobOut]:
    """Return jobs, the newest first."""
    found = await services.transaction(
        lambda session: backcheck_jobs.listing(session, before=before, limit=limit)
    )
    return [JobOut.model_validate(one) for one in found]


async def create(services: Services, given: JobIn, actor: str) -> JobOut:
    """Create a job over the notes stored by now and wake the worker. Raises NotFoundError, InvalidError."""
    job = await services.transaction(
        lambda session: backcheck_jobs.create(
            session,
            given.sample_ids,
            actor,
            threshold=given.threshold,
            version=given.version,
            filter=given.filter.to_filter(),
            record=given.record,
        )
    )
    services.jobs.wake()
    return JobOut.model_validate(job)


async def enabled_samples(services: Services, category: str, limit: int) -> list[int]:
    """Return the ids of up to `limit` samples of a category that a job can search for."""
    return await services.transaction(
        lambda session: samples.searchable(session, category=category, limit=limit)
    )


async def get(services: Services, job_id: int) -> JobOut:
    """Return a job with its progress. Raises NotFoundError."""
    return JobOut.model_validate(
        await services.transaction(lambda session: backcheck_jobs.get(session, job_id))
    )


async def cancel(services: Services, job_id: int, actor: str) -> JobOut:
    """Stop a job after its current page. Raises NotFoundError, ConflictError."""
    return JobOut.model_validate(
        await services.transaction(lambda session: backcheck_jobs.cancel(session, job_id, actor))
    )


async def resume(services: Services, job_id: int, actor: str) -> JobOut:
    """Continue a failed or cancelled job where it stopped. Raises NotFoundError, ConflictError."""
    job = await services.transaction(lambda session: backcheck_jobs.resume(session, job_id, actor))
    services.jobs.wake()
    return JobOut.model_validate(job)


async def hits(services: Services, job_id: int, after: tuple[str, int], limit: int) -> list[JobHitOut]:
    """Return a page of hits, after that pair of note and sample. Raises NotFoundError."""

    def work(session: Session) -> list[JobHitOut]:
        backcheck_jobs.get(session, job_id)
        found = backcheck_jobs.hits(session, job_id, after=after, limit=limit)
        return [JobHitOut.model_validate(one) for one in found]

    return await services.transaction(work)


async def export(services: Services, job_id: int, form: Literal["jsonl", "csv"]) -> Iterator[str]:
    """Return an iterator over all hits as lines. Raises NotFoundError."""
    await get(services, job_id)
    return backcheck_worker.export(services.database, job_id, form)
