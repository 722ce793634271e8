"""Section `evaluation`."""

from __future__ import annotations

from pydantic import Field

from uninote.settings.section import Section


class EvaluationSettings(Section):
    """Metrics and their confidence intervals."""

    ks: tuple[int, ...] = Field((1, 5, 10), description="cut-offs of recall, precision and nDCG")
    bootstrap: int = Field(1000, ge=0, description="resamples of the queries for the 95 % interval")
