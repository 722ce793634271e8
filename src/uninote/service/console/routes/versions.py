"""Pages of model versions: list, add, backfill, compare, switch, roll back, retire."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import previews, versions
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.errors import InvalidError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import RequiredName
from uninote.service.schemas.versions import NewVersion

router = APIRouter()


@router.get("/console/versions", openapi_extra=needs("read"))
async def listing(request: Request, service: Service) -> Response:
    """Show all versions with their missing vectors; to htmx, the progress of backfills only."""
    found = await versions.listing(service)
    filling = [one for one in found if one.backfill is not None and one.backfill.running]
    if pages.is_fragment(request.scope):
        if not filling:  # the whole page again, with the new states
            return Response(status_code=204, headers={"HX-Refresh": "true"})
        return pages.render(request, "versions_progress.html", filling=filling)
    folders = await versions.folders(service)
    used = {one.version for one in found if one.state != "retired"}
    return pages.render(
        request,
        "versions.html",
        versions=found,
        filling=filling,
        active=next((one.version for one in found if one.state == "active"), ""),
        folders=[name for name, version in folders.items() if version not in used],
    )


@router.post("/console/versions", openapi_extra=needs("admin"))
async def add(sent: Form, service: Service, caller: Caller) -> Response:
    """Load a model folder."""
    body = forms.checked(NewVersion, folder=forms.text(sent, "folder"))
    await versions.add(service, body.folder, caller.actor)
    return _back()


@router.post("/console/versions/backfill", openapi_extra=needs("admin"))
async def fill(sent: Form, service: Service, caller: Caller) -> Response:
    """Backfill the missing vectors of a version."""
    await versions.backfill(service, _version(sent), caller.actor)
    return _back()


@router.post("/console/versions/switch", openapi_extra=needs("admin"))
async def switch(sent: Form, service: Service, caller: Caller) -> Response:
    """Activate a version for searching and matching."""
    await versions.switch(service, _version(sent), caller.actor, force="force" in sent)
    return _back()


@router.post("/console/versions/roll-back", openapi_extra=needs("admin"))
async def roll_back(sent: Form, service: Service, caller: Caller) -> Response:
    """Roll back to the previous version; sending the form twice goes back one step only."""
    await versions.roll_back(service, _version(sent), caller.actor)
    return _back()


@router.post("/console/versions/retire", openapi_extra=needs("admin"))
async def retire(sent: Form, service: Service, caller: Caller) -> Response:
    """Stop writing a version and delete its vectors."""
    await versions.retire(service, _version(sent), caller.actor)
    return _back()


@router.get("/console/versions/comparison", openapi_extra=needs("read"))
async def compare(
    request: Request,
    old: RequiredName,
    new: RequiredName,
    service: Service,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    """Compare two versions on the gallery."""
    found = await versions.compare(service, old, new, k)
    samples = await previews.samples(service, [one.sample_id for one in found.samples])
    return pages.render(request, "versions_comparison.html", found=found, samples=samples)


def _version(sent: Form) -> str:
    name = forms.text(sent, "version")
    if not name or len(name) > 256 or "\x00" in name:
        raise InvalidError("Name the model version.")
    return name


def _back() -> Response:
    return RedirectResponse("/console/versions", 303)
