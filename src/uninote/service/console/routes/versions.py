"""Model versions: the list, adding, filling, comparing, switching, rolling back, retiring."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from uninote.encoder.saved import Saved, saved_models
from uninote.errors import ModelError
from uninote.service.console import forms, pages, views
from uninote.service.console.forms import Form
from uninote.service.errors import InvalidError
from uninote.service.http.routes import versions
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.http.routes.versions import VersionQuery
from uninote.service.schemas.gallery import Sample
from uninote.service.schemas.versions import NewVersion, RollBackIn, SwitchIn

router = APIRouter()


@router.get("/console/versions")
async def listing(request: Request, service: Service) -> Response:
    """All versions with what each lacks; for htmx the progress of backfills alone."""
    found = (await versions.list_versions(service)).versions
    filling = [one for one in found if one.backfill is not None and one.backfill.running]
    if pages.is_fragment(request.scope):
        if not filling:  # the whole page again, with the new states
            return Response(status_code=204, headers={"HX-Refresh": "true"})
        return pages.render(request, "versions_progress.html", filling=filling)
    folders = await service.media.run(_folders, service.folder)
    used = {one.version for one in found if one.state != "retired"}
    return pages.render(
        request,
        "versions.html",
        versions=found,
        filling=filling,
        active=next((one.version for one in found if one.state == "active"), ""),
        folders=[name for name, version in folders.items() if version not in used],
    )


@router.post("/console/versions")
async def add(sent: Form, service: Service, caller: Caller) -> Response:
    """Load a model folder."""
    body = forms.checked(NewVersion, folder=forms.text(sent, "folder"))
    await versions.add_version(body, service, caller)
    return _back()


@router.post("/console/versions/backfill")
async def fill(sent: Form, service: Service, caller: Caller) -> Response:
    """Give it the vectors it lacks."""
    await versions.fill(_version(sent), service, caller)
    return _back()


@router.post("/console/versions/switch")
async def switch(sent: Form, service: Service, caller: Caller) -> Response:
    """Make it the one that searches and matches."""
    await versions.switch(_version(sent), SwitchIn(force="force" in sent), service, caller)
    return _back()


@router.post("/console/versions/roll-back")
async def roll_back(sent: Form, service: Service, caller: Caller) -> Response:
    """Back to the version before; sent twice, one step."""
    await versions.roll_back(forms.checked(RollBackIn, leaving=_version(sent)), service, caller)
    return _back()


@router.post("/console/versions/retire")
async def retire(sent: Form, service: Service, caller: Caller) -> Response:
    """Stop writing it and delete its vectors."""
    await versions.retire(_version(sent), service, caller)
    return _back()


@router.get("/console/versions/comparison")
async def compare(
    request: Request,
    old: VersionQuery,
    new: VersionQuery,
    service: Service,
    k: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    """Two versions side by side on the gallery."""
    found = await versions.compare_versions(old, new, service, k)

    def work(session: Session) -> dict[int, Sample]:
        return views.samples(session, [one.sample_id for one in found.samples])

    return pages.render(
        request, "versions_comparison.html", found=found, samples=await service.transaction(work)
    )


def _version(sent: Form) -> str:
    name = forms.text(sent, "version")
    if not name or len(name) > 256 or "\x00" in name:
        raise InvalidError("Name the model version.")
    return name


def _folders(folder: Path) -> dict[str, str]:
    """The versions of the model folders that can be added, by name."""
    found: dict[str, str] = {}
    for model in saved_models(folder):
        if model.parent != folder:
            with suppress(ModelError):  # half copied: it is there at the next look
                found[model.name] = Saved(model).version
    return found


def _back() -> Response:
    return RedirectResponse("/console/versions", 303)
