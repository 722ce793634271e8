"""Section `relations`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from uninote.settings.section import Section


def _as_text(value: object) -> object:
    """Return dates and numbers, which YAML reads as such, as text."""
    if isinstance(value, date):  # a datetime too
        return value.isoformat()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class RelationSettings(Section):
    """Related notes: pairs with a weight, or a log of users and notes."""

    file: str = Field("", description="CSV or Parquet; empty: relations.csv or .parquet next to the notes")
    measured: float = Field(
        0.2, gt=0, lt=1, description="share of a log's newest events: measured on, not trained on"
    )
    since: Annotated[str, BeforeValidator(_as_text)] = Field(
        "", description="instead of `measured`: time from which a log is measured on, ISO 8601 or a number"
    )
    method: Literal["bm25", "tfidf", "cosine"] = Field(
        "bm25", description="item-based collaborative filtering of a log"
    )
    neighbours: int = Field(20, ge=1, description="nearest notes that co-engagement relates a note to")
    only_new: bool = Field(True, description="measure on pairs of a log that were not related before")
