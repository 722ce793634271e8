"""Ingest of notes: embeds them once per model version, then stores and matches them in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from uninote.errors import ItemError, UniNoteError
from uninote.items import Note
from uninote.service.app.decode import note_of, together
from uninote.service.app.services import Services
from uninote.service.concurrency.batcher import Vector
from uninote.service.domain.notes import ingest
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
from uninote.service.schemas.content import NoteContent, NoteIn


@dataclass
class Prepared:
    """Embedded notes, and the errors of the others, by their place in the request."""

    incoming: dict[int, Incoming] = field(default_factory=dict)
    refused: dict[int, UniNoteError] = field(default_factory=dict)


async def prepare(services: Services, notes: Sequence[tuple[str, NoteContent]]) -> Prepared:
    """Decode and embed all notes of a request together. A bad note is refused alone.

    Raises TooLargeError for too many notes, BusyError and UnavailableError.
    """
    if len(notes) > services.options.max_batch:
        raise TooLargeError(f"a request takes {services.options.max_batch} notes, not {len(notes)}")
    done = Prepared()
    read = await together([_readable(services, note_id, one) for note_id, one in notes])
    good: dict[int, Note] = {}
    for place, found in enumerate(read):
        if isinstance(found, UniNoteError):
            done.refused[place] = found
        else:
            good[place] = found
    versions = services.model_sync.written()
    if not versions:
        raise UnavailableError("no model version is loaded")
    items = [note.item() for note in good.values()]
    rows = (
        await together([services.embedding.embed_each(items, version) for version in versions])
        if items
        else []
    )
    for number, (place, note) in enumerate(good.items()):
        vectors: dict[str, Vector] = {}
        for version, row in zip(versions, rows, strict=True):
            found_row = row[number]
            if isinstance(found_row, ItemError):
                done.refused[place] = found_row
            else:
                vectors[version] = found_row
        if place not in done.refused:
            given = notes[place][1]
            wanted = None if given.match_categories is None else tuple(given.match_categories)
            done.incoming[place] = Incoming(note, vectors, given.kind, given.time, wanted)
    return done


async def store(
    services: Services, notes: Sequence[NoteIn], actor: str, request: tuple[str, str] | None = None
) -> list[Outcome]:
    """Store notes; return one outcome per note. All but the rejected ones are on disk by then.

    request: idempotency key and digest of the request. Raises as `prepare` and `ingest`.
    """
    done = await prepare(services, [(note.id, note) for note in notes])
    stored = await services.group_commit.store(Delivery(list(done.incoming.values()), actor, request))
    outcomes = _ordered(done, [note.id for note in notes], stored)
    for outcome in outcomes:
        services.metrics.notes.labels(outcome.status).inc()
        services.metrics.hits.inc(len(outcome.hits))
    return outcomes


async def match(services: Services, notes: Sequence[NoteContent]) -> list[Outcome]:
    """Match notes without storing them; return one outcome per note. Raises as `prepare`."""
    ids = [f"match-{number}" for number in range(len(notes))]
    done = await prepare(services, list(zip(ids, notes, strict=True)))
    incoming = list(done.incoming.values())
    found = await services.database_executor.run(ingest.match, services.database, services.matcher, incoming)
    return _ordered(done, ids, found)


def raise_rejected(outcome: Outcome) -> None:
    """Raise the error of a rejected note, for a request with one note."""
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


def _ordered(done: Prepared, ids: Sequence[str], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of all notes of a request; `outcomes` are those of the embedded ones."""
    found = dict(zip(done.incoming, outcomes, strict=True))
    for place, error in done.refused.items():
        found[place] = Outcome(ids[place], "rejected", code=error.code, reason=str(error))
    return [found[place] for place in range(len(ids))]


async def _readable(services: Services, note_id: str, given: NoteContent) -> Note | UniNoteError:
    try:
        note = await note_of(services, note_id, given)
        note.item()  # raises ItemError when it is empty
        return note
    except (BusyError, UnavailableError):
        raise
    except UniNoteError as error:
        return error
