"""Page of one stored note with its matches."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.app import gallery, notes, previews
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import RequiredNoteId

router = APIRouter()


@router.get("/console/note", openapi_extra=needs("read"))
async def read(request: Request, id: RequiredNoteId, service: Service) -> Response:
    """Show a note."""
    note = await notes.read(service, id)
    samples = await previews.samples(service, [match.sample_id for match in note.matches])
    categories = await gallery.categories(service)
    return pages.render(request, "note.html", note=note, samples=samples, categories=categories)


@router.post("/console/note/forget", openapi_extra=needs("operate"))
async def forget(sent: Form, service: Service, caller: Caller) -> Response:
    """Forget a note for good."""
    await notes.forget(service, forms.text(sent, "id"), caller.actor)
    return RedirectResponse("/", 303)
