"""Search page: by text, pictures, a video, a stored note, a gallery sample or a stored picture."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from uninote.service.app import notes, search
from uninote.service.app.services import Services
from uninote.service.console import forms, pages
from uninote.service.console.access import HOME
from uninote.service.console.forms import Form
from uninote.service.errors import InvalidError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.search import FoundNote, SearchRequest

PAGE = 24
FIELDS = ("text", "note_id", "sample_id", "picture", "category", "min_score")

router = APIRouter()
Field = Annotated[str, Query(max_length=4096)]


@dataclass(frozen=True)
class Found:
    """One page of a result. after: the place of the next page; empty on the last one."""

    hits: list[FoundNote]
    after: str
    model: str


@router.get(HOME, openapi_extra=needs("read"))
async def page(
    request: Request,
    service: Service,
    text: Field = "",
    note_id: Field = "",
    sample_id: Field = "",
    picture: Field = "",
    category: Field = "",
    min_score: Field = "",
) -> Response:
    """Show the search form, and the results of the query in the URL."""
    given = dict(zip(FIELDS, (text, note_id, sample_id, picture, category, min_score), strict=True))
    asked = any(given[name].strip() for name in ("text", "note_id", "sample_id", "picture"))
    found = await _find(service, given, {"pictures": []}) if asked else None
    return pages.render(request, "search.html", given=given, found=found, uploaded=False, more=False)


@router.post(HOME, openapi_extra=needs("read"))
async def find(request: Request, sent: Form, service: Service) -> Response:
    """Search with a form, which may hold files; show a fragment to htmx, else a page."""
    given = {name: forms.text(sent, name) for name in FIELDS}
    media = await forms.media(sent)
    after = forms.text(sent, "after")
    found = await _find(service, given, media, after)
    template = "results.html" if pages.is_fragment(request.scope) else "search.html"
    uploaded = bool(media["pictures"] or "video" in media)
    return pages.render(request, template, given=given, found=found, uploaded=uploaded, more=bool(after))


async def _find(service: Services, given: Mapping[str, str], media: dict[str, Any], after: str = "") -> Found:
    body = await request_of(service, given, media)
    answer = await search.search_notes(service, body.model_copy(update={"after": after or None}))
    return Found(answer.hits, answer.next or "", answer.model)


async def request_of(service: Services, given: Mapping[str, str], media: Mapping[str, Any]) -> SearchRequest:
    """Return the search request of a form. Raises InvalidError for an empty form."""
    query: dict[str, Any] = {"text": given["text"], **media, "pictures": list(media["pictures"])}
    if given["note_id"]:
        query["note_id"] = given["note_id"]
    if given["sample_id"]:
        query["sample_id"] = forms.number(given, "sample_id")
    if given["picture"]:
        data = await notes.picture(service, given["picture"])
        query["pictures"].append({"data": base64.b64encode(data).decode()})
    if not any(query.values()):
        raise InvalidError("Give a text, a picture or a note to search with.")
    return forms.checked(
        SearchRequest,
        query=query,
        k=PAGE,
        min_score=forms.number(given, "min_score"),
        filter={"categories": [given["category"]]} if given["category"] else {},
    )
