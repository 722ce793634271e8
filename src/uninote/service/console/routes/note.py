"""One stored note, with its matches."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy.orm import Session

from uninote.service.console import forms, pages, views
from uninote.service.console.forms import Form
from uninote.service.http.routes import gallery, notes
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.schemas.gallery import Sample

router = APIRouter()
NoteIdQuery = Annotated[str, Query(min_length=1, max_length=512, pattern=r"^[^\x00]+$")]


@router.get("/console/note")
async def read(request: Request, id: NoteIdQuery, service: Service) -> Response:
    """The note."""
    note = await notes.read_note(id, service)

    def work(session: Session) -> dict[int, Sample]:
        return views.samples(session, [match.sample_id for match in note.matches])

    samples = await service.transaction(work)
    categories = (await gallery.list_categories(service)).categories
    return pages.render(request, "note.html", note=note, samples=samples, categories=categories)


@router.post("/console/note/forget")
async def forget(sent: Form, service: Service, caller: Caller) -> Response:
    """Forget it for good."""
    await notes.forget_note(forms.text(sent, "id"), service, caller)
    return RedirectResponse("/", 303)
