"""Types of an ingest: incoming notes, deliveries, outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from numpy.typing import ArrayLike

from uninote.items import Note
from uninote.service.domain.base.vectors import Float16
from uninote.service.domain.gallery.index import ReachedSample
from uninote.service.domain.gallery.matcher import WrittenModel

Status = Literal["created", "updated", "unchanged", "rejected"]


@dataclass(frozen=True, eq=False)
class Incoming:
    """A note with its vector per model version, any length but zero.

    `categories` limits which gallery categories it is matched with; None means all.
    """

    note: Note
    vectors: Mapping[str, ArrayLike]
    kind: str = "note"
    time: datetime | None = None
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Delivery:
    """Notes that one caller sent together.

    actor: who, for the audit log. request: idempotency key and digest of the request, if it has one.
    """

    batch: Sequence[Incoming]
    actor: str
    request: tuple[str, str] | None = None


@dataclass(frozen=True)
class SampleHit:
    """A gallery sample that a note matched."""

    sample_id: int
    category: str
    score: float
    threshold: float


@dataclass(frozen=True)
class Outcome:
    """What became of one note. `reason` is for rejected ones: a stable code and a sentence."""

    id: str
    status: Status
    hits: tuple[SampleHit, ...] = ()
    code: str = ""
    reason: str = ""


@dataclass(eq=False)
class Checked:
    """A note that can be stored, on its way through the transaction."""

    incoming: Incoming
    content_key: str
    vectors: dict[int, Float16]
    model: WrittenModel
    actor: str = ""
    found: list[ReachedSample] = field(default_factory=list)


def hits_of(found: Sequence[ReachedSample]) -> tuple[SampleHit, ...]:
    return tuple(SampleHit(one.sample_id, one.category, one.score, one.threshold) for one in found)


def created(checked: Sequence[Checked]) -> dict[str, Outcome]:
    """Return the outcomes of notes that were stored as new, by id."""
    return {
        one.incoming.note.id: Outcome(one.incoming.note.id, "created", hits_of(one.found)) for one in checked
    }


def rejected(note_id: str, code: str, reason: str) -> Outcome:
    return Outcome(note_id, "rejected", code=code, reason=reason)
