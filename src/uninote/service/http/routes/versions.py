"""Routes of model versions: add, backfill, compare, switch, roll back, retire."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from uninote.service.app import versions
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES
from uninote.service.schemas import versions as wire
from uninote.service.schemas.common import NamePath, RequiredName

router = APIRouter(tags=["model versions"], responses=RESPONSES)


@router.get("/v1/model-versions", openapi_extra=needs("read"))
async def list_versions(service: Service) -> wire.Versions:
    """List all versions in the order they were added, with their numbers of missing vectors."""
    return wire.Versions(versions=await versions.listing(service))


@router.post("/v1/model-versions", openapi_extra=needs("admin"))
async def add_version(body: wire.NewVersion, service: Service, caller: Caller) -> wire.VersionOut:
    """Load a model from the served folder. Further notes are written with its vectors, too.

    Every replica loads it from its own copy of the folder.
    """
    return await versions.add(service, body.folder, caller.actor)


@router.post("/v1/model-versions/roll-back", openapi_extra=needs("admin"))
async def roll_back(body: wire.RollBackIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Roll back to the version that was active before."""
    return await versions.roll_back(service, body.leaving, caller.actor)


@router.get("/v1/model-versions/comparison", openapi_extra=needs("read"))
async def compare_versions(
    old: RequiredName,
    new: RequiredName,
    service: Service,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
    samples: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> wire.Comparison:
    """Compare two versions on the gallery: the notes nearest to each sample, and the hits."""
    return await versions.compare(service, old, new, k, samples)


@router.post("/v1/model-versions/{version}/backfill", openapi_extra=needs("admin"))
async def fill(version: NamePath, service: Service, caller: Caller) -> wire.VersionOut:
    """Backfill the missing vectors of a version, in the background. Once complete, it becomes a shadow."""
    return await versions.backfill(service, version, caller.actor)


@router.post("/v1/model-versions/{version}/switch", openapi_extra=needs("admin"))
async def switch(version: NamePath, body: wire.SwitchIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Activate a version for searching and matching. Notes are still written with the previous version."""
    return await versions.switch(service, version, caller.actor, force=body.force)


@router.delete("/v1/model-versions/{version}", openapi_extra=needs("admin"))
async def retire(version: NamePath, service: Service, caller: Caller) -> wire.VersionOut:
    """Stop writing a version and delete its vectors."""
    return await versions.retire(service, version, caller.actor)
