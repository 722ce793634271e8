"""Model versions: add, fill, compare, switch, roll back, retire, while requests go on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy.orm import Session

from uninote.encoder.saved import is_saved
from uninote.errors import ModelError
from uninote.service.app.backfill_runner import BackfillRun
from uninote.service.app.services import Runtime
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import thresholds, versions
from uninote.service.domain.rollout import compare
from uninote.service.errors import InvalidError
from uninote.service.http.errors import RESPONSES
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas import versions as wire

router = APIRouter(tags=["model versions"], responses=RESPONSES)
Version = Annotated[str, Path(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
VersionQuery = Annotated[str, Query(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
MAX_FAILED = 100


@router.get("/v1/model-versions")
async def list_versions(service: Service) -> wire.Versions:
    """All versions in the order they were added, and what each lacks."""
    return wire.Versions(
        versions=await service.transaction(
            lambda session: [_shown(session, service, model) for model in versions.listing(session)]
        )
    )


@router.post("/v1/model-versions")
async def add_version(body: wire.NewVersion, service: Service, caller: Caller) -> wire.VersionOut:
    """Load a model from the served folder. From now on notes are written with its vectors, too.

    Every replica loads it by itself, from its own copy of the folder.
    """
    folder = service.folder / "models" / body.folder
    if not is_saved(folder):
        raise InvalidError(
            f"there is no model folder models/{body.folder} in the served folder; put it there"
        )
    try:
        encoder = await service.media.run(service.models.add, folder)
    except ModelError as error:
        raise InvalidError(f"models/{body.folder} cannot be loaded: {type(error).__name__}") from error

    def work(session: Session) -> wire.VersionOut:
        model = versions.add(session, encoder.version, encoder.dims[-1], caller.actor)
        session.flush()
        return _shown(session, service, model)

    added = await service.transaction(work)
    await service.snapshot()  # what comes after this answer is written with it
    return added


@router.post("/v1/model-versions/roll-back")
async def roll_back(body: wire.RollBackIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Back to the version that was active before."""

    def work(session: Session) -> wire.VersionOut:
        return _shown(session, service, versions.roll_back(session, caller.actor, leaving=body.leaving))

    return await service.transaction(work)


@router.get("/v1/model-versions/comparison")
async def compare_versions(
    old: VersionQuery,
    new: VersionQuery,
    service: Service,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
    samples: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> wire.Comparison:
    """Two versions side by side on the gallery: what both find, and what either would hit."""
    found = await service.transaction(
        lambda session: compare.compare(session, old, new, k=k, samples=samples)
    )
    return wire.Comparison.model_validate(found)


@router.post("/v1/model-versions/{version}/backfill")
async def fill(version: Version, service: Service, caller: Caller) -> wire.VersionOut:
    """Give a version the vectors it lacks, behind the requests. Complete, it becomes a shadow."""
    await service.transaction(lambda session: versions.get(session, version))
    service.backfills.begin(service, version, caller.actor)
    return await service.transaction(lambda session: _shown(session, service, versions.get(session, version)))


@router.post("/v1/model-versions/{version}/switch")
async def switch(version: Version, body: wire.SwitchIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Make it the one that searches and matches; the one before goes on being written, for the way back."""
    await service.transaction(lambda session: versions.get(session, version))
    service.models.get(version)

    def work(session: Session) -> wire.VersionOut:
        return _shown(session, service, versions.switch(session, version, caller.actor, force=body.force))

    return await service.transaction(work)


@router.delete("/v1/model-versions/{version}")
async def retire(version: Version, service: Service, caller: Caller) -> wire.VersionOut:
    """Stop writing it and delete its vectors."""

    def work(session: Session) -> wire.VersionOut:
        model = versions.retire(session, version, caller.actor)
        session.flush()
        return _shown(session, service, model)

    return await service.transaction(work)


def _shown(session: Session, service: Runtime, model: ModelVersion) -> wire.VersionOut:
    session.flush()
    session.refresh(model)
    retired = model.state == "retired"
    filling = service.backfills.get(model.version)
    return wire.VersionOut(
        version=model.version,
        dim=model.dim,
        state=model.state,  # type: ignore[arg-type]
        created=model.created,
        activated=model.activated,
        loaded=model.version in service.models.versions,
        missing_notes=0 if retired else versions.count_missing(session, model),
        missing_samples=0 if retired else len(versions.missing_samples(session, model)),
        missing_thresholds=[] if retired else thresholds.without_threshold(session, model.id),
        backfill=None if filling is None else _filling(filling),
    )


def _filling(one: BackfillRun) -> wire.BackfillOut:
    failed = dict(list(one.report.failed.items())[:MAX_FAILED])
    return wire.BackfillOut(
        running=one.running,
        notes=one.report.notes,
        samples=one.report.samples,
        failed=failed,
        error=one.error,
    )
