"""Categories of the gallery."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.http.routes import gallery
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas.gallery import CategoryIn

router = APIRouter()


@router.get("/console/gallery")
async def categories(request: Request, service: Service) -> Response:
    """All of them."""
    found = (await gallery.list_categories(service)).categories
    return pages.render(request, "gallery.html", categories=found)


@router.post("/console/gallery")
async def put(sent: Form, service: Service, caller: Caller) -> Response:
    """Create one, or replace its settings."""
    name = forms.text(sent, "name")
    sampling = forms.number(sent, "sampling")
    body = forms.checked(
        CategoryIn,
        description=forms.text(sent, "description"),
        enabled="enabled" in sent,
        sampling=1.0 if sampling is None else sampling,
    )
    await gallery.put_category(name, body, service, caller)
    return RedirectResponse(f"/console/samples?category={quote(name, safe='')}", 303)


@router.post("/console/gallery/delete")
async def delete(sent: Form, service: Service, caller: Caller) -> Response:
    """Remove one with all that belongs to it."""
    await gallery.delete_category(forms.text(sent, "name"), service, caller)
    return RedirectResponse("/console/gallery", 303)
