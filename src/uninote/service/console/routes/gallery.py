"""Pages of the gallery's categories."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.gallery import CategoryIn

router = APIRouter()


@router.get("/console/gallery", openapi_extra=needs("read"))
async def categories(request: Request, service: Service) -> Response:
    """Show all categories."""
    return pages.render(request, "gallery.html", categories=await gallery.categories(service))


@router.post("/console/gallery", openapi_extra=needs("operate"))
async def put(sent: Form, service: Service, caller: Caller) -> Response:
    """Create a category or replace its settings."""
    name = forms.text(sent, "name")
    sampling = forms.number(sent, "sampling")
    body = forms.checked(
        CategoryIn,
        description=forms.text(sent, "description"),
        enabled="enabled" in sent,
        sampling=1.0 if sampling is None else sampling,
    )
    await gallery.put_category(service, name, body, caller.actor)
    return RedirectResponse(f"/console/samples?category={quote(name, safe='')}", 303)


@router.post("/console/gallery/delete", openapi_extra=needs("operate"))
async def delete(sent: Form, service: Service, caller: Caller) -> Response:
    """Delete a category with its samples, thresholds and matches."""
    await gallery.delete_category(service, forms.text(sent, "name"), caller.actor)
    return RedirectResponse("/console/gallery", 303)
