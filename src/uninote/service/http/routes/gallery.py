"""Routes of the gallery: categories and samples. A change applies to the next note."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Header

from uninote.service.app import gallery
from uninote.service.errors import PreconditionError, TakenError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.http.errors import RESPONSES, ErrorEnvelope
from uninote.service.schemas import gallery as wire
from uninote.service.schemas.common import After, Limit, NamePath, NameQuery, RowIdPath

router = APIRouter(tags=["gallery"], responses=RESPONSES)


@router.get("/v1/categories", openapi_extra=needs("read"))
async def list_categories(service: Service) -> wire.Categories:
    """List all categories with their numbers of samples and their current thresholds."""
    return wire.Categories(categories=await gallery.categories(service))


@router.put(
    "/v1/categories/{name:path}",
    openapi_extra=needs("operate"),
    responses={412: {"model": ErrorEnvelope, "description": "`If-None-Match: *`, and the name is taken."}},
)
async def put_category(
    name: NamePath,
    body: wire.CategoryIn,
    service: Service,
    caller: Caller,
    if_none_match: Annotated[
        Literal["*"] | None, Header(description="`*` creates only: a name that is taken is refused")
    ] = None,
) -> wire.CategoryPut:
    """Create a category or replace all its settings: a field that is left out returns to its default.

    The answer says which, and what the settings were. A new name that differs from an existing one in case or
    spaces only is refused (409). Without a threshold and a sample a category matches nothing.
    """
    try:
        return await gallery.put_category(
            service, name, body, caller.actor, only_new=if_none_match is not None
        )
    except TakenError as error:
        if error.name == name:
            raise PreconditionError(f"{error}: you asked with If-None-Match to create it") from error
        raise


@router.delete("/v1/categories/{name:path}", openapi_extra=needs("operate"))
async def delete_category(name: NamePath, service: Service, caller: Caller) -> wire.Deleted:
    """Delete a category with its samples, thresholds and matches."""
    await gallery.delete_category(service, name, caller.actor)
    return wire.Deleted(deleted=True)


@router.get("/v1/samples", openapi_extra=needs("read"))
async def list_samples(
    service: Service, category: NameQuery = None, after: After = 0, limit: Limit = 100
) -> wire.Samples:
    """List samples by id, page by page."""
    return wire.Samples(samples=await gallery.samples(service, category, after, limit))


@router.post("/v1/samples", openapi_extra=needs("operate"))
async def add_samples(body: wire.SampleBatch, service: Service, caller: Caller) -> wire.AddedSamples:
    """Add samples, all or none. A sample that exists already (category, kind, content) is returned unchanged.

    `known` names those: their label, comment and other settings stay as they were.

    New notes are matched with them from now on. To search the stored notes, create a back-check job.
    """
    return await gallery.add_samples(service, body, caller.actor)


@router.patch("/v1/samples/{sample_id}", openapi_extra=needs("operate"))
async def change_sample(
    sample_id: RowIdPath, body: wire.SampleChange, service: Service, caller: Caller
) -> wire.Sample:
    """Change the settings of a sample. A field that is left out is kept; `enabled` sets `disabled_until`."""
    return await gallery.change_sample(service, sample_id, body, caller.actor)


@router.delete("/v1/samples/{sample_id}", openapi_extra=needs("operate"))
async def delete_sample(sample_id: RowIdPath, service: Service, caller: Caller) -> wire.Deleted:
    """Delete a sample with its matches, reviews and job hits."""
    return wire.Deleted(deleted=await gallery.delete_sample(service, sample_id, caller.actor))
