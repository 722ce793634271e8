"""Schemas of model versions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from uninote.problems import Shape
from uninote.service.schemas.common import Answer, Wire

Folder = Annotated[
    str,
    Shape(
        r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        "must be a folder's name: at most 64 letters, digits, dots, hyphens and underscores, beginning with "
        "a letter or digit",
    ),
]


class BackfillOut(Answer):
    """A backfill that this process runs or ran."""

    running: bool
    notes: int = Field(description="filled so far")
    samples: int = Field(description="filled so far")
    failed: dict[str, str] = Field(description="why notes could not be filled, by id; at most 100")
    failures: int = Field(description="how many could not be filled")
    error: str


class VersionOut(Answer):
    version: str
    dim: int
    state: Literal["loading", "shadow", "active", "retired"]
    created: datetime
    activated: datetime | None
    loaded: bool = Field(description="by this process")
    missing_notes: int = Field(description="notes without a vector of it")
    missing_samples: int
    missing_thresholds: list[str] = Field(description="enabled categories without a threshold for it")
    backfill: BackfillOut | None = None


class Versions(Answer):
    versions: list[VersionOut]


class NewVersion(Wire):
    folder: Folder = Field(description="name of a model folder below `models` in the served folder")


class SwitchIn(Wire):
    force: bool = Field(False, description="also while notes, samples or thresholds are missing")


class RollBackIn(Wire):
    leaving: str | None = Field(
        None, max_length=256, description="the version to leave: refused when another one is active by now"
    )


class SampleComparison(Answer):
    sample_id: int
    category: str
    overlap: float
    old_hits: int | None
    new_hits: int | None
    common: int | None


class Comparison(Answer):
    old: str
    new: str
    k: int
    overlap: float = Field(description="mean part of the k nearest notes that both versions agree on")
    samples: list[SampleComparison]
