"""Schemas of back-check jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from uninote.service.schemas.common import Answer, Cosine, Name, Page, RowId, Wire
from uninote.service.schemas.search import FilterIn


class JobIn(Wire):
    sample_ids: list[RowId] = Field(min_length=1, max_length=1000)
    threshold: Cosine | None = Field(None, description="for all samples; null: each category's own")
    version: Name | None = Field(None, description="model version; default: the active one")
    filter: FilterIn = FilterIn()
    record: bool = Field(False, description="hits also become matches to review")


class JobOut(Answer):
    id: int
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int = Field(description="notes looked at")
    total: int = Field(description="notes there were when it was made")
    hits: int
    error: str
    cancel_requested: bool
    actor: str
    created: datetime
    started: datetime | None
    finished: datetime | None


class Jobs(Page):
    jobs: list[JobOut] = Field(description="newest first")


class JobHitOut(Answer):
    note_id: str
    sample_id: int
    score: float


class JobHits(Page):
    hits: list[JobHitOut] = Field(description="by note and sample")
