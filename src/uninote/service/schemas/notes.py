"""Schemas of storing, matching and reading notes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from uninote.service.schemas.common import Answer, Wire
from uninote.service.schemas.content import NoteContent, NoteIn


class NoteBatch(Wire):
    notes: list[NoteIn] = Field(min_length=1, max_length=1000)


class MatchRequest(Wire):
    notes: list[NoteContent] = Field(min_length=1, max_length=1000)


class HitOut(Answer):
    """A gallery sample whose threshold the note reaches."""

    sample_id: int
    category: str
    score: float = Field(description="cosine, to six decimals")
    threshold: float


class Reason(Answer):
    code: str = Field(description="stable, for programs")
    message: str


class NoteOutcome(Answer):
    """Outcome of a note. A stored note is on disk when this answer arrives."""

    id: str
    status: Literal["created", "updated", "unchanged", "rejected"]
    hits: list[HitOut] = Field(description="best first")
    error: Reason | None = Field(None, description="why it was rejected")


class BatchOutcome(Answer):
    outcomes: list[NoteOutcome] = Field(description="in the order of the notes")


class MatchOutcome(Answer):
    hits: list[HitOut]
    error: Reason | None = None


class MatchAnswer(Answer):
    outcomes: list[MatchOutcome] = Field(description="in the order of the notes")


class PictureOut(Answer):
    digest: str = Field(description="sha256 of its bytes; `/v1/pictures/{digest}` has them where kept")
    description: str
    ocr: list[str] | None


class MatchOut(HitOut):
    """A stored match."""

    id: int
    note_id: str
    source: Literal["online", "backcheck"]
    verdict: str | None
    created: datetime


class NoteOut(Answer):
    """A stored note."""

    id: str
    title: str
    body: str
    pictures: list[PictureOut]
    category: str
    tags: list[str]
    links: list[str]
    lang: str
    likes: int | None
    source: str
    kind: str
    time: datetime | None
    created: datetime
    updated: datetime
    matches: list[MatchOut]


class Forgotten(Answer):
    deleted: bool = Field(description="whether it was stored; its id is barred either way")
