"""Schemas of the review queue and verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from uninote.service.schemas.common import Answer, Page, Wire, Words
from uninote.service.schemas.notes import MatchOut

Verdict = Literal["true_positive", "false_positive", "unsure"]


class Matches(Page):
    matches: list[MatchOut] = Field(description="in the order that `order` names")


class VerdictIn(Wire):
    verdict: Verdict
    comment: Words = Field("", max_length=10_000)
    replaces: Verdict | None = Field(
        None,
        description="the verdict that you saw in force, null for none: if another one is, other than the new "
        "one, the answer is 409. Left out, any is replaced",
    )


class Review(Answer):
    id: int
    note_id: str
    sample_id: int
    category: str
    score: float
    verdict: Verdict | Literal["withdrawn"] = Field(
        description="of an undo: the verdict that counts again; `withdrawn` if the match is open again"
    )
    comment: str
    actor: str
    created: datetime
    undoes: int | None = Field(description="the verdict that this record takes back; null for a verdict")


class QualityOut(Answer):
    category: str
    open: int
    true_positives: int
    false_positives: int
    unsure: int
    precision: float | None


class QualityList(Answer):
    categories: list[QualityOut]
