"""Pages of a category's samples."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from uninote.hints import nearest
from uninote.service.app import gallery
from uninote.service.console import forms, pages
from uninote.service.console.forms import Form
from uninote.service.console.uploads import limits, uploads
from uninote.service.errors import ConflictError, InvalidError, NotFoundError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Caller, Service
from uninote.service.schemas.common import After, RequiredName, RowIdPath
from uninote.service.schemas.gallery import SampleBatch, SampleChange

PAGE = 24

router = APIRouter()


@router.get("/console/samples", openapi_extra=needs("read"))
async def listing(request: Request, category: RequiredName, service: Service, after: After = 0) -> Response:
    """Show a page of samples by id, with the category's settings."""
    known = {one.name: one for one in await gallery.categories(service)}
    if category not in known:
        raise NotFoundError(f"There is no category {category!r}; {nearest(category, known)}")
    found = await gallery.samples(service, category, after, PAGE)
    return pages.render(
        request,
        "sample_cards.html" if pages.is_fragment(request.scope) else "samples.html",
        category=known[category],
        samples=found,
        start=after,
        after=found[-1].id if len(found) == PAGE else None,
        limits=limits(service),
    )


@router.post("/console/samples", openapi_extra=needs("operate"))
async def add(sent: Form, service: Service, caller: Caller) -> Response:
    """Add a sample: a text, pictures and a video together, or a stored note."""
    category = forms.exact(sent, "category")
    note_id = forms.text(sent, "note_id")
    files = await uploads(service, sent)
    if files.problems:  # without one of its pictures the sample would be another one
        raise InvalidError(f"{' '.join(files.problems)} No sample was added.")
    fields = {"text": forms.text(sent, "text"), **files.media}
    sample = {
        **fields,
        "category": category,
        "note_id": note_id or None,
        "label": forms.text(sent, "label"),
        "comment": forms.text(sent, "comment"),
        "allow": "allow" in sent,
    }
    added = await gallery.add_samples(service, forms.checked(SampleBatch, samples=[sample]), caller.actor)
    (stored,) = added.samples
    same = stored.enabled and (stored.label, stored.comment) == (sample["label"], sample["comment"])
    if added.known and not same:
        name = f"{stored.id} ({stored.label})" if stored.label else str(stored.id)
        state = "" if stored.enabled else ", which is switched off"
        raise ConflictError(f"This content is sample {name} here already{state}; nothing was changed.")
    return _back(category)


@router.post("/console/samples/{sample_id}", openapi_extra=needs("operate"))
async def change(sample_id: RowIdPath, sent: Form, service: Service, caller: Caller) -> Response:
    """Enable or disable a sample."""
    body = forms.checked(SampleChange, enabled=forms.text(sent, "enabled") == "yes")
    changed = await gallery.change_sample(service, sample_id, body, caller.actor)
    return _back(changed.category)


@router.post("/console/samples/{sample_id}/delete", openapi_extra=needs("operate"))
async def delete(sample_id: RowIdPath, sent: Form, service: Service, caller: Caller) -> Response:
    """Delete a sample with its matches."""
    await gallery.delete_sample(service, sample_id, caller.actor)
    return _back(forms.exact(sent, "category"))


def _back(category: str) -> Response:
    return RedirectResponse(f"/console/samples?category={quote(category, safe='')}", 303)
