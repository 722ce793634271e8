"""Schemas of search over the stored notes."""

from __future__ import annotations

from datetime import datetime

from pydantic import AwareDatetime, Field, model_validator

from uninote.service.schemas.common import Answer, Cosine, Name, NoteId, RowId, Wire
from uninote.service.schemas.content import Content, NoteContent
from uninote.store.protocol import Filter


class FilterIn(Wire):
    """Filter of notes. A condition that is left out selects all notes."""

    kinds: list[Name] | None = Field(None, max_length=1000)
    categories: list[str] | None = Field(None, max_length=1000)
    since: AwareDatetime | None = Field(None, description="from this time on")
    until: AwareDatetime | None = Field(None, description="before this time")

    def to_filter(self) -> Filter:
        return Filter(
            kinds=None if self.kinds is None else tuple(self.kinds),
            categories=None if self.categories is None else tuple(self.categories),
            since=self.since,
            until=self.until,
        )


class Query(Content):
    """Exactly one of: content (text, pictures, video), a note, a stored note, a gallery sample."""

    note: NoteContent | None = None
    note_id: NoteId | None = Field(None, description="a stored note, by its stored vector")
    sample_id: RowId | None = Field(None, description="a gallery sample, by its stored vector")

    @model_validator(mode="after")
    def _one(self) -> Query:
        content = bool(self.text or self.pictures or self.video)
        given = [content, self.note is not None, self.note_id is not None, self.sample_id is not None]
        if sum(given) != 1:
            raise ValueError(
                "a query has exactly one of: text, pictures and video together; note; note_id; sample_id"
            )
        return self


class SearchRequest(Wire):
    query: Query
    k: int = Field(10, ge=1, le=1000, description="the most results of one answer")
    min_score: Cosine | None = Field(
        None, description="only notes that reach it: all of them, page by page; no index is used"
    )
    after: str | None = Field(
        None, max_length=10_000, description="`next` of the answer before, for the page after it"
    )
    filter: FilterIn = FilterIn()


class FoundNote(Answer):
    note_id: str
    score: float = Field(description="cosine, to six decimals")
    kind: str
    category: str
    time: datetime | None
    title: str
    preview: str = Field(description="the beginning of the body")
    pictures: list[str] = Field(description="digests")


class SearchAnswer(Answer):
    model: str = Field(description="the model version that searched")
    hits: list[FoundNote] = Field(description="best first, equal scores by id")
    next: str | None = Field(
        description="send it as `after` with the same query for the next page; null: nothing follows"
    )
    hint: str | None = Field(
        None, description="without hits: a category of the filter that no note has, and the nearest names"
    )
