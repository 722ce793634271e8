"""Back-check jobs: searches of the stored notes for gallery samples, kept as rows of the database."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import GalleryState, Job, JobHit, Sample, SampleVector
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base import audit
from uninote.service.domain.base.filters import filter_values
from uninote.service.domain.gallery import thresholds_in_force, versions
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.store.pgvector.filters import FILTER
from uninote.store.protocol import EVERYTHING, Filter

OPEN = ("queued", "running")
_COUNT = f"SELECT count(*) FROM service.vectors WHERE model_id = %(model)s AND {FILTER}"


def create(
    session: Session,
    sample_ids: Sequence[int],
    actor: str,
    *,
    threshold: float | None = None,
    version: str | None = None,
    filter: Filter = EVERYTHING,
    record: bool = False,
) -> Job:
    """Create a queued job over the notes stored by now; later notes are matched when they are stored.

    If a job of the same actor for the same search is open, and the gallery has not changed since, it is
    returned instead: a request that is sent twice searches once.

    threshold: for all samples; None takes each category's own. record: hits also become matches to review.
    Raises NotFoundError for an unknown sample or version. Raises InvalidError without a sample, for a sample
    on the allow-list or without a vector of that version, for a bad filter, and for a category without a
    threshold.
    """
    if not sample_ids:
        raise InvalidError("name at least one gallery sample to search for")
    model = versions.get(session, version) if version else versions.active(session)
    categories = _looked_for(session, sample_ids, model)
    if threshold is not None and not (math.isfinite(threshold) and -1 <= threshold <= 1):
        raise InvalidError(f"a threshold is a cosine in [-1, 1], not {threshold}")
    if threshold is None:
        known = thresholds_in_force.in_force(session, model.id)
        bare = sorted(set(categories.values()) - known.keys())
        if bare:
            raise InvalidError(f"category {bare[0]!r} has no threshold for model {model.version!r}; give one")
    values = filter_values(filter) | {"model": model.id}
    total = session.connection().exec_driver_sql(_COUNT, values).scalar_one()
    revision = session.scalars(select(GalleryState.revision).with_for_update()).one()
    params = _params(sample_ids, threshold, filter, record) | {"revision": revision}
    same = (Job.actor == actor, Job.model_id == model.id, Job.params == params)
    open_one = select(Job).where(Job.state.in_(OPEN), Job.cancel_requested.is_(False), *same)
    if running := session.scalars(open_one.order_by(Job.id)).first():
        return running
    job = Job(
        state="queued",
        cancel_requested=False,
        params=params,
        model_id=model.id,
        cursor="",
        done=0,
        total=total,
        hits=0,
        error="",
        actor=actor,
    )
    session.add(job)
    session.flush()
    audit.record(
        session, actor, "job.create", f"job:{job.id}", samples=sorted(set(sample_ids)), record=record
    )
    return job


def get(session: Session, job_id: int) -> Job:
    """Return a job. Raises NotFoundError."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFoundError(f"there is no job {job_id}")
    return job


def listing(session: Session, *, before: int | None = None, limit: int = 50) -> list[Job]:
    """Return jobs, the newest first; `before` is the last id of the previous page."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Job.id < before)))


def unfinished(session: Session) -> list[int]:
    """Return the ids of the jobs that need a worker, the oldest first."""
    return list(session.scalars(select(Job.id).where(Job.state.in_(OPEN)).order_by(Job.id)))


def cancel(session: Session, job_id: int, actor: str) -> Job:
    """Cancel a job: at once when it is queued, after the current page when it runs. Its hits are kept.

    While it runs, cancelling it again has no effect. Raises NotFoundError, and ConflictError when it has
    ended.
    """
    job = _locked(session, job_id)
    if job.cancel_requested and job.state in OPEN:
        return job
    if job.state not in OPEN:
        raise ConflictError(f"job {job_id} is {job.state} and cannot be cancelled")
    job.cancel_requested = True
    if job.state == "queued":
        job.state, job.finished = "cancelled", func.now()
        session.flush()
        session.refresh(job)
    audit.record(session, actor, "job.cancel", f"job:{job_id}")
    return job


def resume(session: Session, job_id: int, actor: str) -> Job:
    """Queue a failed or cancelled job again; it continues at its cursor. Raises ConflictError for others."""
    job = _locked(session, job_id)
    if job.state not in ("failed", "cancelled"):
        raise ConflictError(f"job {job_id} is {job.state}; only a failed or cancelled one can be resumed")
    job.state, job.cancel_requested, job.error, job.finished = "queued", False, "", None
    audit.record(session, actor, "job.resume", f"job:{job_id}")
    return job


def fail(session: Session, job_id: int, reason: str) -> None:
    """Set a job to failed, with the reason."""
    session.execute(
        update(Job).where(Job.id == job_id).values(state="failed", error=reason, finished=func.now())
    )


def hits(
    session: Session, job_id: int, *, after: tuple[str, int] = ("", 0), limit: int = 1000
) -> list[JobHit]:
    """Return a page of a job's hits, by note and sample; `after` is the last pair of the previous page."""
    place = func.row(JobHit.note_id, JobHit.sample_id) > func.row(*after)
    query = select(JobHit).where(JobHit.job_id == job_id, place)
    return list(session.scalars(query.order_by(JobHit.note_id, JobHit.sample_id).limit(limit)))


def filter_of(job: Job) -> Filter:
    """Return the filter of a job."""
    given: dict[str, Any] = job.params["filter"]
    kinds, categories = (
        None if given[name] is None else tuple(given[name]) for name in ("kinds", "categories")
    )
    since, until = (given[name] and datetime.fromisoformat(given[name]) for name in ("since", "until"))
    return Filter(kinds, categories, since=since, until=until)


def model_of(session: Session, job: Job) -> ModelVersion:
    return session.get_one(ModelVersion, job.model_id)


def _looked_for(session: Session, sample_ids: Sequence[int], model: ModelVersion) -> dict[int, str]:
    """Return the category of each sample. Raises as `create`."""
    has_vector = exists().where(SampleVector.sample_id == Sample.id, SampleVector.model_id == model.id)
    rows = session.execute(
        select(Sample.id, Sample.category, Sample.allow, has_vector).where(Sample.id.in_(sample_ids))
    ).all()
    missing = sorted(set(sample_ids) - {row[0] for row in rows})
    if missing:
        raise NotFoundError(f"there is no gallery sample {missing[0]}")
    for sample_id, _, allow, has_one in rows:
        if allow:
            raise InvalidError(f"gallery sample {sample_id} is on the allow-list: it takes hits away")
        if not has_one:
            raise InvalidError(
                f"gallery sample {sample_id} has no vector of {model.version!r}; fill it first"
            )
    return {sample_id: category for sample_id, category, _, _ in rows}


def _params(
    sample_ids: Sequence[int], threshold: float | None, filter: Filter, record: bool
) -> dict[str, Any]:
    values = filter_values(filter)
    given = {
        "kinds": values["kinds"],
        "categories": values["categories"],
        "since": filter.since.isoformat() if filter.since else None,
        "until": filter.until.isoformat() if filter.until else None,
    }
    return {
        "samples": sorted(set(sample_ids)),
        "threshold": threshold,
        "filter": given,
        "record": record,
    }


def _locked(session: Session, job_id: int) -> Job:
    job = session.scalars(select(Job).where(Job.id == job_id).with_for_update()).one_or_none()
    if job is None:
        raise NotFoundError(f"there is no job {job_id}")
    return job
