"""The samples of a category."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.errors import NotFoundError
from uninote.service.http.routes import gallery
from uninote.service.http.routes.dependencies import Caller, Service
from uninote.service.http.routes.gallery import After
from uninote.service.schemas.common import RowIdPath
from uninote.service.schemas.gallery import SampleBatch, SampleChange

PAGE = 24

router = APIRouter()
CategoryQuery = Annotated[str, Query(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]


@router.get("/console/samples")
async def listing(request: Request, category: CategoryQuery, service: Service, after: After = 0) -> Response:
    """A page of them by id, with the category's settings."""
    known = {one.name: one for one in (await gallery.list_categories(service)).categories}
    if category not in known:
        raise NotFoundError(f"There is no category {category!r}.")
    found = (await gallery.list_samples(service, category, after, PAGE)).samples
    return pages.render(
        request,
        "sample_cards.html" if pages.is_fragment(request.scope) else "samples.html",
        category=known[category],
        samples=found,
        after=found[-1].id if len(found) == PAGE else None,
    )


@router.post("/console/samples")
async def add(sent: Form, service: Service, caller: Caller) -> Response:
    """Add one: a text, pictures and a video together, or a stored note."""
    category = forms.text(sent, "category")
    note_id = forms.text(sent, "note_id")
    fields = {"text": forms.text(sent, "text"), **await forms.media(sent)}
    sample = {
        **fields,
        "category": category,
        "note_id": note_id or None,
        "label": forms.text(sent, "label"),
        "comment": forms.text(sent, "comment"),
        "allow": "allow" in sent,
    }
    await gallery.add_samples(forms.checked(SampleBatch, samples=[sample]), service, caller)
    return _back(category)


@router.post("/console/samples/{sample_id}")
async def change(sample_id: RowIdPath, sent: Form, service: Service, caller: Caller) -> Response:
    """Switch one on or off."""
    body = forms.checked(SampleChange, enabled=forms.text(sent, "enabled") == "yes")
    changed = await gallery.change_sample(sample_id, body, service, caller)
    return _back(changed.category)


@router.post("/console/samples/{sample_id}/delete")
async def delete(sample_id: RowIdPath, sent: Form, service: Service, caller: Caller) -> Response:
    """Remove one with its matches."""
    await gallery.delete_sample(sample_id, service, caller)
    return _back(forms.text(sent, "category"))


def _back(category: str) -> Response:
    return RedirectResponse(f"/console/samples?category={quote(category, safe='')}", 303)
