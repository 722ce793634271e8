"""Use cases of stored notes: reading and forgetting."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.service.app.services import Services
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base import payload
from uninote.service.domain.notes import forget as forgetting
from uninote.service.domain.review import verdicts
from uninote.service.errors import NotFoundError
from uninote.service.schemas.notes import MatchOut, NoteOut


async def read(services: Services, note_id: str) -> NoteOut:
    """Return a stored note with its matches. Raises NotFoundError."""

    def work(session: Session) -> NoteOut:
        stored = session.get(StoredNote, note_id)
        if stored is None:
            raise NotFoundError("no note is stored under this id")
        matches = [MatchOut.model_validate(one) for one in verdicts.matches_of(session, note_id)]
        columns = ("id", "category", "lang", "kind", "time", "created", "updated")
        fields = {name: getattr(stored, name) for name in columns}
        return NoteOut.model_validate({**stored.payload, **fields, "matches": matches})

    return await services.transaction(work)


async def forget(services: Services, note_id: str, actor: str) -> bool:
    """Delete a note and everything made from it, and bar its id; return whether it was stored."""
    return bool(await services.transaction(lambda session: forgetting.forget(session, [note_id], actor)))


async def picture(services: Services, digest: str) -> bytes:
    """Return the bytes of a stored picture. Raises NotFoundError."""
    return await services.transaction(lambda session: payload.picture_bytes(session, digest))


async def categories(services: Services, limit: int) -> list[tuple[str, int]]:
    """Return the `limit` categories with the most notes, and their numbers of notes, by name."""
    many = func.count()
    wanted = select(StoredNote.category, many).where(StoredNote.category != "").group_by(StoredNote.category)
    ordered = wanted.order_by(many.desc(), StoredNote.category).limit(limit)
    rows = await services.read(lambda session: session.execute(ordered).all())
    return sorted((name, number) for name, number in rows)
