"""Search page: by text, pictures, a video, a stored note, a gallery sample or a stored picture.

Every result has an address. A form is posted because it may hold files; they are kept for a time, and its
answer leads to the address that names them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import Headers

from uninote.service.app import noise, notes, search, search_inputs
from uninote.service.app.noise import Noise
from uninote.service.app.services import Services
from uninote.service.console import asked as asking
from uninote.service.console import forms, pages
from uninote.service.console.access import HOME
from uninote.service.console.asked import MAX_PAGES, Asked, FromAddress, request_of
from uninote.service.console.forms import Form
from uninote.service.console.uploads import Uploads, limits, uploads
from uninote.service.errors import UnsupportedError
from uninote.service.http.access import needs
from uninote.service.http.dependencies import Service
from uninote.service.schemas.search import FoundNote

CATEGORIES = 200
CATEGORIES_SECONDS = 60.0

router = APIRouter()


@dataclass(frozen=True)
class Found:
    """One page of a result. after: the place of the next page; empty on the last one.

    noise: the score that queries without a meaning reach, if the best one is not above it.
    """

    hits: list[FoundNote]
    after: str
    noise: float | None = None


@dataclass
class Choices:
    """Categories of the stored notes with their numbers of notes, counted once a minute."""

    counts: list[tuple[str, int]] = field(default_factory=list)
    counted: float = float("-inf")

    async def of(self, services: Services) -> list[tuple[str, int]]:
        if time.monotonic() > self.counted + CATEGORIES_SECONDS:
            self.counts, self.counted = await notes.categories(services, CATEGORIES), time.monotonic()
        return self.counts


@router.get(HOME, openapi_extra=needs("read"))
async def page(
    request: Request, service: Service, asked: FromAddress, after: Annotated[str, Query(max_length=4096)] = ""
) -> Response:
    """Show the search form, and the results of the query in the address; to htmx, the results only."""
    found = None if asked.empty else await _find(request, service, asked, after)
    if not pages.is_fragment(request.scope):
        return await _page(request, service, asked, found)
    headers = {"HX-Replace-Url": asked.address}
    return pages.render(request, "results.html", headers=headers, **_values(asked, found, after))


@router.post(HOME, openapi_extra=needs("read"))
async def find(request: Request, sent: Form, service: Service) -> Response:
    """Search with a form, which may hold files: lead to the address of the result, and show it."""
    files = await uploads(service, sent)
    asked = await _kept(service, asking.of_form(sent), files)
    if files.problems and asked.empty:
        raise UnsupportedError(" ".join(files.problems))
    after = forms.text(sent, "after")
    found = await _find(request, service, asked, after)
    if not pages.is_fragment(request.scope):
        if asked.address and not files.problems:
            return RedirectResponse(asked.address, 303)
        return await _page(request, service, asked, found, files.problems)
    headers = {"HX-Push-Url": asked.address} if asked.address and not _is_here(request, asked) else {}
    values = _values(asked, found, after, files.problems)
    return pages.render(request, "results.html", headers=headers, **values)


async def _kept(service: Services, asked: Asked, files: Uploads) -> Asked:
    """Return the query with its uploads and long text kept, as far as the service keeps pictures at all."""
    asked, contents = asked.kept()
    if files.contents:
        asked = replace(asked, note_id="", sample_id="")  # a form about a stored note that got files
        if service.options.keep_pictures:
            pictures = [one.digest for one in files.contents if one.kind == "picture"]
            videos = [one.digest for one in files.contents if one.kind == "video"]
            asked = replace(
                asked, pictures=(*asked.pictures, *pictures), video="".join(videos) or asked.video
            )
            contents += files.contents
        else:
            asked = replace(asked, media=files.media)
    await search_inputs.keep(service, contents)
    return asked


async def _find(request: Request, service: Services, asked: Asked, after: str) -> Found:
    body = await request_of(service, replace(asked, pages=1) if after else asked)
    answer = await search.search_notes(service, body.model_copy(update={"after": after or None}))
    levels: Noise = request.app.state.noise
    level = None
    if asked.content and answer.hits and not after:
        pictures = bool(asked.pictures or asked.video or asked.media)
        level = await levels.level(answer.model, noise.kind_of(asked.text, pictures))
    at_noise = level is not None and answer.hits[0].score <= level
    return Found(answer.hits, answer.next or "", level if at_noise else None)


async def _page(
    request: Request, service: Services, asked: Asked, found: Found | None, problems: Sequence[str] = ()
) -> Response:
    choices: Choices = request.app.state.choices
    values = _values(asked, found, "", problems)
    values |= {"text": (await asking.whole(service, asked)).text, "categories": await choices.of(service)}
    return pages.render(request, "search.html", all_categories=CATEGORIES, limits=limits(service), **values)


def _values(asked: Asked, found: Found | None, after: str, problems: Sequence[str] = ()) -> dict[str, Any]:
    following = replace(asked, pages=min(asked.pages + 1, MAX_PAGES))
    return {
        "given": asked,
        "found": found,
        "more": bool(after),
        "problems": problems,
        "link": asked.address,
        "following": following.address,
    }


def _is_here(request: Request, asked: Asked) -> bool:
    return Headers(scope=request.scope).get("hx-current-url", "").endswith(asked.address)
