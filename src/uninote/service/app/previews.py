"""Previews of stored notes and samples for the console's pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.service.app.gallery import shown
from uninote.service.app.search import PREVIEW_CHARS
from uninote.service.app.services import Services
from uninote.service.db.note_tables import SearchInput, StoredNote, StoredPicture
from uninote.service.domain.gallery import samples as stored_samples
from uninote.service.schemas.gallery import Sample
from uninote.service.schemas.jobs import JobHitOut
from uninote.service.schemas.notes import MatchOut


@dataclass(frozen=True)
class NotePreview:
    """The beginning of a note, and the digests of its pictures."""

    id: str
    title: str
    preview: str
    category: str
    pictures: list[str]


async def sides(
    services: Services, hits: Sequence[MatchOut | JobHitOut]
) -> tuple[dict[str, NotePreview], dict[int, Sample]]:
    """Return the notes and the samples of hits, by id; deleted ones are left out."""

    def work(session: Session) -> tuple[dict[str, NotePreview], dict[int, Sample]]:
        return _notes(session, {hit.note_id for hit in hits}), _samples(
            session, [hit.sample_id for hit in hits]
        )

    return await services.transaction(work)


async def samples(services: Services, ids: Iterable[int]) -> dict[int, Sample]:
    """Return those of the samples that are stored, by id."""
    return await services.transaction(lambda session: _samples(session, ids))


async def stored_pictures(services: Services, digests: Collection[str]) -> set[str]:
    """Return the digests whose pictures are stored, as pictures or as search inputs."""
    stored = select(StoredPicture.digest).where(StoredPicture.digest.in_(digests))
    wanted = stored.union(select(SearchInput.digest).where(SearchInput.digest.in_(digests)))
    return set(await services.transaction(lambda session: session.scalars(wanted).all()))


def _notes(session: Session, ids: Collection[str]) -> dict[str, NotePreview]:
    found = session.scalars(select(StoredNote).where(StoredNote.id.in_(ids)))
    return {
        note.id: NotePreview(
            id=note.id,
            title=note.payload["title"],
            preview=note.payload["body"][:PREVIEW_CHARS],
            category=note.category,
            pictures=[picture["digest"] for picture in note.payload["pictures"]],
        )
        for note in found
    }


def _samples(session: Session, ids: Iterable[int]) -> dict[int, Sample]:
    wanted = sorted(set(ids))
    found = stored_samples.listing(session, ids=wanted, limit=max(1, len(wanted)))
    return {one.id: shown(one) for one in found}
