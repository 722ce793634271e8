"""Schemas of categories, samples, thresholds and their calibration."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field, model_validator

from uninote.service.schemas.common import Answer, Cosine, Name, NoteId, Page, Wire, Words
from uninote.service.schemas.content import Content, NoteContent

Kind = Literal["image", "video", "text", "note"]
Written = Literal["created", "replaced", "unchanged"]


class CategoryIn(Wire):
    description: Words = Field("", max_length=10_000)
    enabled: bool = True
    disabled_until: AwareDatetime | None = Field(None, description="off until then, whatever `enabled` says")
    sampling: float = Field(1.0, ge=0, le=1, description="part of the notes that hit which is reported")


class Category(Answer):
    name: str
    description: str
    enabled: bool
    disabled_until: datetime | None
    sampling: float
    created: datetime


class CategorySettings(Answer):
    description: str
    enabled: bool
    disabled_until: datetime | None
    sampling: float


class CategoryPut(Category):
    status: Written = Field(description="`unchanged`: it had these settings already")
    before: CategorySettings | None = Field(description="its settings until then; null for a new one")


class CategoryState(Category):
    samples: int
    threshold: float | None = Field(description="of the active model version; null: it matches nothing")


class Categories(Answer):
    categories: list[CategoryState]


class SampleIn(Content):
    """A sample: content (text, pictures, video), a note, or a stored note by its id; exactly one of them."""

    category: Name
    note: NoteContent | None = None
    note_id: NoteId | None = Field(None, description="a stored note; the sample goes when it is forgotten")
    label: Words = Field("", max_length=256)
    comment: Words = Field("", max_length=10_000)
    allow: bool = Field(False, description="an allow-list sample takes hits away instead of making them")
    disabled_until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one(self) -> SampleIn:
        content = bool(self.text or self.pictures or self.video)
        if sum([content, self.note is not None, self.note_id is not None]) != 1:
            raise ValueError("a sample has exactly one of: text, pictures and video together; note; note_id")
        return self


class SampleBatch(Wire):
    samples: list[SampleIn] = Field(min_length=1, max_length=1000)


class SampleChange(Wire):
    label: Words | None = Field(None, max_length=256)
    comment: Words | None = Field(None, max_length=10_000)
    enabled: bool | None = None
    disabled_until: AwareDatetime | None = None


class Sample(Answer):
    id: int
    category: str
    kind: Kind
    label: str
    comment: str
    allow: bool
    enabled: bool
    disabled_until: datetime | None
    source_note: str | None
    actor: str
    created: datetime
    text: str = Field(description="its texts, a line each")
    pictures: list[str] = Field(description="digests")


class Samples(Page):
    samples: list[Sample]


class AddedSamples(Answer):
    samples: list[Sample]
    known: list[int] = Field(description="ids of those that were stored before; they were not changed")


class Deleted(Answer):
    deleted: bool = Field(description="whether it was there")


class ThresholdIn(Wire):
    category: Name
    value: Cosine
    version: Name | None = Field(None, description="model version; default: the active one")
    reason: Words = Field("", max_length=10_000)
    replaces: Cosine | None = Field(
        None,
        description="the value that you saw in force, null for none: if another one is, the answer is 409. "
        "Left out, any is replaced",
    )


class Threshold(Answer):
    id: int
    category: str
    version: str
    value: float
    actor: str
    reason: str
    created: datetime


class ThresholdPut(Threshold):
    status: Written = Field(description="`unchanged`: it was in force already")
    before: float | None = Field(description="the value in force until then; null for none")


class Thresholds(Page):
    thresholds: list[Threshold] = Field(description="newest first: the first of a version is in force")


class CalibrationIn(Wire):
    """A target, and the scores to choose the threshold on: given ones, or those of the stored data."""

    category: Name
    version: Name | None = Field(None, description="model version; default: the active one")
    method: Literal["volume", "precision", "recall"]
    target: float = Field(ge=0, description="volume: hits among the scores; others: a fraction in (0, 1]")
    scores: list[Cosine] | None = Field(
        None,
        min_length=1,
        max_length=100_000,
        description="null: volume takes stored notes' best scores, the others the reviewed matches",
    )
    labels: list[bool] | None = Field(None, max_length=100_000, description="for scores: which are right")
    bins: int = Field(40, ge=1, le=1000)


class Histogram(Answer):
    edges: list[float]
    counts: list[int]
    positives: list[int]


class CalibrationOut(Answer):
    threshold: float = Field(description="a proposal; `PUT /v1/thresholds` puts it in force")
    hits: int
    precision: float | None
    recall: float | None
    scores: int = Field(
        description="how many it was chosen on; of stored notes 20,000 at most, drawn at random"
    )
    histogram: Histogram
