"""Online mode: notes are embedded once per model version, then stored and matched in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uninote.errors import ItemError, UniNoteError
from uninote.items import Note
from uninote.service.app.decode import note_of, together
from uninote.service.app.services import Runtime
from uninote.service.concurrency.batcher import Vector
from uninote.service.domain.notes.ingest_types import Delivery, Incoming, Outcome
from uninote.service.errors import (
    BusyError,
    ConflictError,
    InvalidError,
    ServiceError,
    TooLargeError,
    UnavailableError,
    UnsupportedError,
)
from uninote.service.http.errors import status_of
from uninote.service.schemas.content import NoteContent, NoteIn


@dataclass
class Prepared:
    """Embedded notes in the order they were given, and why others were not."""

    incoming: dict[int, Incoming] = field(default_factory=dict)
    refused: dict[int, UniNoteError] = field(default_factory=dict)


async def prepare(runtime: Runtime, notes: Sequence[tuple[str, NoteContent]]) -> Prepared:
    """Read pictures and embed, all notes of the request together. A bad note is refused by itself.

    Raises BusyError and UnavailableError, which are about the service and not about a note.
    """
    if len(notes) > runtime.options.max_batch:
        raise TooLargeError(f"a request takes {runtime.options.max_batch} notes, not {len(notes)}")
    done = Prepared()
    read = await together([_readable(runtime, note_id, one) for note_id, one in notes])
    good: dict[int, Note] = {}
    for place, found in enumerate(read):
        if isinstance(found, UniNoteError):
            done.refused[place] = found
        else:
            good[place] = found
    versions = runtime.written()
    if not versions:
        raise UnavailableError("no model version is loaded")
    items = [note.item() for note in good.values()]
    rows = await together([runtime.embed(items, version) for version in versions]) if items else []
    for number, (place, note) in enumerate(good.items()):
        vectors: dict[str, Vector] = {}
        for version, row in zip(versions, rows, strict=True):
            found_row = row[number]
            if isinstance(found_row, ItemError):
                done.refused[place] = found_row
            else:
                vectors[version] = found_row
        if place not in done.refused:
            done.incoming[place] = incoming_of(note, notes[place][1], vectors)
    return done


def incoming_of(note: Note, given: NoteContent, vectors: Mapping[str, Vector]) -> Incoming:
    """What the domain takes."""
    wanted = None if given.match_categories is None else tuple(given.match_categories)
    return Incoming(note, vectors, given.kind, given.time, wanted)


async def store(
    runtime: Runtime, notes: Sequence[NoteIn], actor: str, request: tuple[str, str] | None = None
) -> list[Outcome]:
    """One outcome per note; all but the rejected ones are on disk. Raises as `prepare` and `ingest`.

    request: idempotency key and digest of the request.
    """
    done = await prepare(runtime, [(note.id, note) for note in notes])
    stored = await runtime.rounds.store(Delivery(list(done.incoming.values()), actor, request))
    outcomes = dict(zip(done.incoming, stored, strict=True))
    for place, error in done.refused.items():
        outcomes[place] = Outcome(notes[place].id, "rejected", code=status_of(error)[1], reason=str(error))
    ordered = [outcomes[place] for place in range(len(notes))]
    for outcome in ordered:
        runtime.metrics.notes.labels(outcome.status).inc()
        runtime.metrics.hits.inc(len(outcome.hits))
    return ordered


def raise_rejected(outcome: Outcome) -> None:
    """The error of a rejected outcome, for a request of one note."""
    if outcome.status != "rejected":
        return
    kinds: dict[str, type[ServiceError]] = {
        "forgotten": ConflictError,
        TooLargeError.code: TooLargeError,
        UnsupportedError.code: UnsupportedError,
    }
    error = kinds.get(outcome.code, InvalidError)(outcome.reason)
    error.code = outcome.code
    raise error


async def _readable(runtime: Runtime, note_id: str, given: NoteContent) -> Note | UniNoteError:
    try:
        note = await note_of(runtime, note_id, given)
        note.item()  # raises ItemError when it is empty
        return note
    except (BusyError, UnavailableError):
        raise
    except UniNoteError as error:
        return error
