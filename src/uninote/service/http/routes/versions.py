"""Model versions: add, fill, compare, switch, roll back, retire, while requests are served."""

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
    """All versions in the order they were added, and what each lacks."""
    return wire.Versions(versions=await versions.listing(service))


@router.post("/v1/model-versions", openapi_extra=needs("admin"))
async def add_version(body: wire.NewVersion, service: Service, caller: Caller) -> wire.VersionOut:
    """Load a model from the served folder. From now on notes are written with its vectors, too.

    Every replica loads it by itself, from its own copy of the folder.
    """
    return await versions.add(service, body.folder, caller.actor)


@router.post("/v1/model-versions/roll-back", openapi_extra=needs("admin"))
async def roll_back(body: wire.RollBackIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Back to the version that was active before."""
    return await versions.roll_back(service, body.leaving, caller.actor)


@router.get("/v1/model-versions/comparison", openapi_extra=needs("read"))
async def compare_versions(
    old: RequiredName,
    new: RequiredName,
    service: Service,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
    samples: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> wire.Comparison:
    """Two versions side by side on the gallery: what both find, and what either would hit."""
    return await versions.compare(service, old, new, k, samples)


@router.post("/v1/model-versions/{version}/backfill", openapi_extra=needs("admin"))
async def fill(version: NamePath, service: Service, caller: Caller) -> wire.VersionOut:
    """Give a version the vectors it lacks, in the background. Complete, it becomes a shadow."""
    return await versions.backfill(service, version, caller.actor)


@router.post("/v1/model-versions/{version}/switch", openapi_extra=needs("admin"))
async def switch(version: NamePath, body: wire.SwitchIn, service: Service, caller: Caller) -> wire.VersionOut:
    """Make it the one that searches and matches; the one before is still written, for the way back."""
    return await versions.switch(service, version, caller.actor, force=body.force)


@router.delete("/v1/model-versions/{version}", openapi_extra=needs("admin"))
async def retire(version: NamePath, service: Service, caller: Caller) -> wire.VersionOut:
    """Stop writing it and delete its vectors."""
    return await versions.retire(service, version, caller.actor)
