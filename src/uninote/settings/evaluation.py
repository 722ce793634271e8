"""Section `evaluation`."""

from __future__ import annotations

from pydantic import Field

from uninote.settings.section import Section


class EvaluationSettings(Section):
    """Metrics and their confidence intervals."""

    ks: tuple[int, ...] = Field((1, 5, 10), description="cut-offs of recall, precision and nDCG")
    bootstrap: int = Field(1000, ge=0, description="resamples of the queries for the 95 % interval")
    distractors: int = Field(
        10_000, ge=0, description="most notes of training and validation among the targets of hard pools"
    )
    near_misses: str = Field(
        "e5-small",
        description="text tower that chooses the near misses of a query, as encoder.text; empty: none",
    )
