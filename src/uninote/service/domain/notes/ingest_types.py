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
    """A note with its vector per model version, of any length except 0.

    categories: the gallery categories to match it with; None means all.
    """

    note: Note
    vectors: Mapping[str, ArrayLike]
    kind: str = "note"
    time: datetime | None = None
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True, eq=False)
class Delivery:
    """Notes of one request.

    actor: the caller, for the audit log. request: idempotency key and digest of the request, if it has a key.
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
    """Result of the ingest of one note. A rejected note has a stable `code` and a sentence as `reason`."""

    id: str
    status: Status
    hits: tuple[SampleHit, ...] = ()
    code: str = ""
    reason: str = ""


@dataclass(eq=False)
class Checked:
    """A valid note with its vectors by model id, the model it is matched with, and its hits."""

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
