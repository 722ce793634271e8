"""Pages of the gallery's categories."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.errors import TakenError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.gallery import CategoryIn

router = APIRouter()


@router.get("/console/gallery", openapi_extra=needs("read"))
async def categories(request: Request, service: Service) -> Response:
    """Show all categories."""
    return pages.render(request, "gallery.html", categories=await gallery.categories(service))


@router.post("/console/gallery", openapi_extra=needs("operate"))
async def create(request: Request, sent: Form, service: Service, caller: Caller) -> Response:
    """Create a category; a name that is taken is refused, with a link to what has it."""
    name = forms.text(sent, "name")
    body = forms.checked(CategoryIn, description=forms.text(sent, "description"))
    try:
        await gallery.put_category(service, name, body, caller.actor, only_new=True)
    except TakenError as error:
        return pages.problem(request.scope, error, (_page(error.name), f"Open {error.name}"))
    return RedirectResponse(_page(name), 303)


@router.post("/console/gallery/settings", openapi_extra=needs("operate"))
async def change(sent: Form, service: Service, caller: Caller) -> Response:
    """Change the settings of a category, unless they are not those that the form was made from."""
    name = forms.exact(sent, "name")
    until = forms.text(sent, "seen_disabled_until")
    seen = forms.checked(
        CategoryIn,
        description=forms.text(sent, "seen_description"),
        enabled=forms.text(sent, "seen_enabled") == "yes",
        disabled_until=until or None,
        sampling=forms.number(sent, "seen_sampling"),
    )
    body = forms.checked(
        CategoryIn,
        description=forms.text(sent, "description").replace("\r\n", "\n"),
        enabled="enabled" in sent,
        disabled_until=until if until and "stay_off" in sent else None,
        sampling=forms.number(sent, "sampling"),
    )
    await gallery.put_category(service, name, body, caller.actor, expected=seen.model_dump())
    return RedirectResponse(_page(name), 303)


@router.post("/console/gallery/delete", openapi_extra=needs("operate"))
async def delete(sent: Form, service: Service, caller: Caller) -> Response:
    """Delete a category with its samples, thresholds and matches."""
    await gallery.delete_category(service, forms.exact(sent, "name"), caller.actor)
    return RedirectResponse("/console/gallery", 303)


def _page(name: str) -> str:
    return f"/console/samples?category={quote(name, safe='')}"
