"""Address of a search: the query as fields of an address, of a form, and of an API request."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Depends, Query
from starlette.datastructures import FormData

from uninote.service.app import search_inputs
from uninote.service.app.search_inputs import Content, Kind
from uninote.service.app.services import Services
from uninote.service.console import forms
from uninote.service.console.access import HOME
from uninote.service.errors import InvalidError, TooLargeError
from uninote.service.schemas.search import SearchRequest

PAGE = 24
MAX_PAGES = 40  # what one search of the API returns
TEXT_BYTES = 4000
"""Longest text of an address, percent-encoded: proxies take lines of 8 KB. A longer one is a passage."""

_Digest = Annotated[str, Query(max_length=64, pattern="^([0-9a-f]{64})?$")]
_Value = Annotated[str, Query(max_length=4096)]


@dataclass(frozen=True)
class Asked:
    """Query with its filter. passage: digest of a text that is too long for an address.

    pictures, video: digests of stored ones; media: uploads that are not kept, as fields of the API's query.
    """

    text: str = ""
    passage: str = ""
    pictures: tuple[str, ...] = ()
    video: str = ""
    note_id: str = ""
    sample_id: str = ""
    category: str = ""
    min_score: str = ""
    pages: int = 1
    media: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Fields of the query and its filter that are set; their order is that of the address."""
        return list(self._fields())

    @property
    def address(self) -> str:
        """The address that repeats the search; empty if it has uploads that are not kept."""
        if self.media:
            return ""
        pages = [("pages", str(self.pages))] if self.pages > 1 else []
        query = urlencode([*self._fields(), *pages], quote_via=quote)
        return f"{HOME}?{query}" if query else HOME

    @property
    def content(self) -> bool:
        """Whether it has content to embed: a text, pictures or a video."""
        return bool(self.text or self.passage or self.pictures or self.video or self.media)

    @property
    def empty(self) -> bool:
        return not (self.content or self.note_id or self.sample_id)

    def kept(self) -> tuple[Asked, list[Content]]:
        """Return it with a long text replaced by its digest, and the text to keep."""
        if len(quote(self.text)) <= TEXT_BYTES:
            return self, []
        long = Content("text", self.text.encode("utf-8", "replace"))
        return replace(self, text="", passage=long.digest), [long]

    def _fields(self) -> Iterator[tuple[str, str]]:
        for name in ("text", "passage"):
            yield from self._field(name)
        yield from (("picture", digest) for digest in self.pictures)
        for name in ("video", "note_id", "sample_id", "category", "min_score"):
            yield from self._field(name)

    def _field(self, name: str) -> Iterator[tuple[str, str]]:
        if value := getattr(self, name):
            yield name, value


def _of_address(
    text: _Value = "",
    passage: _Digest = "",
    picture: Annotated[list[_Digest] | None, Query(max_length=64)] = None,
    video: _Digest = "",
    note_id: _Value = "",
    sample_id: _Value = "",
    category: _Value = "",
    min_score: _Value = "",
    pages: Annotated[int, Query(ge=1)] = 1,
) -> Asked:
    pictures = tuple(digest for digest in picture or () if digest)
    fields = (video, note_id.strip(), sample_id.strip(), category.strip(), min_score.strip())
    return Asked(text.strip(), passage, pictures, *fields, pages=min(pages, MAX_PAGES))


FromAddress = Annotated[Asked, Depends(_of_address)]


def of_form(form: FormData) -> Asked:
    """Return the query of a form, without its files."""
    return Asked(
        text=forms.text(form, "text"),
        pictures=tuple(value for value in form.getlist("picture") if isinstance(value, str) and value),
        video=forms.text(form, "video"),
        note_id=forms.text(form, "note_id"),
        sample_id=forms.text(form, "sample_id"),
        category=forms.text(form, "category"),
        min_score=forms.text(form, "min_score"),
    )


async def whole(services: Services, asked: Asked) -> Asked:
    """Return it with its passage read as the text. Raises NotFoundError when that is not kept any more."""
    if not asked.passage:
        return asked
    text = await search_inputs.read(services, asked.passage, "text")
    return replace(asked, text=text.decode(), passage="")


async def request_of(services: Services, asked: Asked) -> SearchRequest:
    """Return the API's request.

    Raises InvalidError for an empty or a bad query, NotFoundError, and TooLargeError when the files that it
    names are together more than one request may hold.
    """
    if asked.empty:
        raise InvalidError("Give a text, a picture or a note to search with.")
    asked = await whole(services, asked)
    query: dict[str, Any] = {"text": asked.text, **asked.media}
    query["pictures"] = list(query.get("pictures", ()))
    room = services.options.max_body_bytes
    named: list[tuple[str, Kind]] = [(digest, "picture") for digest in asked.pictures]
    named += [(asked.video, "video")] if asked.video else []
    for digest, kind in named:
        data = await search_inputs.read(services, digest, kind)
        room -= len(data)
        if room < 0:
            raise TooLargeError("These files are together too large for one search; take some away.")
        if kind == "video":
            query["video"] = encoded(data)
        else:
            query["pictures"].append(encoded(data))
    if asked.note_id:
        query["note_id"] = asked.note_id
    if asked.sample_id:
        query["sample_id"] = forms.number({"sample_id": asked.sample_id}, "sample_id")
    return forms.checked(
        SearchRequest,
        query=query,
        k=PAGE * asked.pages,
        min_score=forms.number({"min_score": asked.min_score}, "min_score"),
        filter={"categories": [asked.category]} if asked.category else {},
    )


def encoded(data: bytes) -> dict[str, str]:
    """Return a file as the API takes it."""
    return {"data": base64.b64encode(data).decode()}
