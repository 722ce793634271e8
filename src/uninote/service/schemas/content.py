"""Schemas of content to embed: pictures, videos, contents and notes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, Field, model_validator

from uninote.corpus.formats import CONTAINERS
from uninote.service.schemas.common import Name, NoteId, Wire, Words

MAX_PICTURES = 64
Title = Annotated[Words, Field(max_length=4000)]
Body = Annotated[Words, Field(max_length=200_000)]


class Media(Wire):
    """The bytes, or where to fetch them from; exactly one of the two."""

    data: str | None = Field(
        None, description="the encoded file in base64, also with line breaks, URL-safe, or as a data: URL"
    )
    url: str | None = Field(None, description="https only, and only from hosts that the service allows")

    @model_validator(mode="after")
    def _one(self) -> Media:
        if (self.data is None) == (self.url is None):
            raise ValueError("give either data, the file in base64, or url, its https address")
        return self


class PictureIn(Media):
    """A picture: JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF, or HEIC with the extra `heic`."""

    description: Body = ""
    ocr: list[Title] | None = Field(None, max_length=1000, description="lines of text in it; null: not read")


class Content(Wire):
    """A text, pictures, a video, or several of them: becomes one embedding."""

    text: Body = ""
    pictures: list[PictureIn] = Field([], max_length=MAX_PICTURES)
    video: Media | None = Field(None, description=f"{CONTAINERS}; becomes frames")


class NoteContent(Wire):
    """A note without its id."""

    title: Title = ""
    body: Body = ""
    pictures: list[PictureIn] = Field([], max_length=MAX_PICTURES)
    video: Media | None = None
    category: Annotated[Words, Field(max_length=256)] = ""
    tags: list[Name] = Field([], max_length=1000)
    links: list[NoteId] = Field([], max_length=1000)
    lang: Annotated[Words, Field(max_length=256)] = ""
    likes: int | None = Field(None, ge=0, le=2**53)
    source: Title = ""
    kind: Name = Field("note", description="what searches can be limited to")
    time: AwareDatetime | None = Field(None, description="when it was made, with a time zone")
    match_categories: list[Name] | None = Field(
        None, max_length=1000, description="gallery categories to match with; null: all"
    )


class NoteIn(NoteContent):
    """A note."""

    id: NoteId
