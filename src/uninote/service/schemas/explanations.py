"""Schemas of explanations of a similarity."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from uninote.attribution.contributions import Contribution, Explanation
from uninote.service.schemas.common import Answer, Wire
from uninote.service.schemas.search import Query


class ExplanationRequest(Wire):
    """Any two of: content, a note, a stored note, a gallery sample."""

    query: Query = Field(description="what was searched with; encoded as a search encodes it")
    target: Query = Field(description="what was found; encoded as stored notes are")


class ContributionOut(Answer):
    """One picture or sentence."""

    kind: Literal["picture", "sentence", "ocr"] = Field(
        description="ocr: a sentence of the text that was read in a picture"
    )
    text: str = Field(description="the sentence; empty for a picture")
    picture: str | None = Field(description="digest of the picture, or of the one the text was read in")
    number: int = Field(description="which picture of the item that is, from 1; 0 for a sentence")
    contribution: float = Field(description="score minus `left`; may be negative, and they need not add up")
    left: float = Field(description="cosine of the two items without this part of it; 0 when nothing is left")


class ExplanationOut(Answer):
    model: str = Field(description="the model version that compared")
    score: float = Field(description="cosine of the whole items")
    query: list[ContributionOut] = Field(description="parts of the query; of a match: of the note")
    target: list[ContributionOut] = Field(description="parts of the target; of a match: of the sample")


def answer(version: str, found: Explanation) -> ExplanationOut:
    """Return an explanation as an answer, with numbers to six decimals."""
    return ExplanationOut(
        model=version,
        score=round(found.score, 6),
        query=[_part(part) for part in found.query],
        target=[_part(part) for part in found.target],
    )


def _part(one: Contribution) -> ContributionOut:
    return ContributionOut(
        kind=one.piece.kind,
        text=one.piece.text,
        picture=one.piece.picture.digest if one.piece.picture else None,
        number=one.piece.number,
        contribution=round(one.value, 6),
        left=round(one.left, 6),
    )
