"""Inputs of the console's searches: what the address of a search names by digest, kept for a bounded time."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from uninote.service.db.note_tables import SearchInput, StoredPicture
from uninote.service.errors import NotFoundError

KEPT = timedelta(days=7)
MAX_BYTES = 256 * 2**20
MAX_INPUTS = 10_000

Kind = Literal["picture", "video", "text"]


@dataclass(frozen=True)
class Content:
    """Encoded bytes of one input. Texts are UTF-8."""

    kind: Kind
    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def keep(session: Session, contents: Sequence[Content]) -> None:
    """Store inputs, or count them as sent now; then delete what is over the limits, as `expire` does."""
    if not contents:
        return
    rows = {one.digest: {"digest": one.digest, "kind": one.kind, "data": one.data} for one in contents}
    # In one order, so that two searches with the same pictures cannot wait for each other.
    stored = upsert(SearchInput).values([rows[digest] for digest in sorted(rows)])
    session.execute(stored.on_conflict_do_update(index_elements=["digest"], set_={"used": func.now()}))
    expire(session)


def read(session: Session, digest: str, kind: Kind) -> bytes:
    """Return the bytes of an input, or of a picture that a note or sample has. Raises NotFoundError."""
    kept = session.get(SearchInput, digest)
    if kept is not None and kept.kind == kind:
        return kept.data
    stored = session.get(StoredPicture, digest) if kind == "picture" else None
    if stored is None:
        days = KEPT.days
        raise NotFoundError(
            f"The {kind} of this search is not kept any more: it was sent over {days} days ago, or deleted. "
            "Search with it again."
        )
    return stored.data


def forget(session: Session, digests: Collection[str]) -> None:
    """Delete the inputs with these digests."""
    session.execute(delete(SearchInput).where(SearchInput.digest.in_(digests)))


def expire(
    session: Session, kept: timedelta = KEPT, max_bytes: int = MAX_BYTES, max_inputs: int = MAX_INPUTS
) -> int:
    """Delete inputs sent longer ago than `kept`, and the oldest beyond the limits; return their number."""
    newest = (SearchInput.used.desc(), SearchInput.digest)
    ranked = select(
        SearchInput.digest,
        SearchInput.used,
        func.sum(func.octet_length(SearchInput.data)).over(order_by=newest).label("bytes"),
        func.row_number().over(order_by=newest).label("place"),
    ).subquery()
    over = select(ranked.c.digest).where(
        or_(ranked.c.used < func.now() - kept, ranked.c.bytes > max_bytes, ranked.c.place > max_inputs)
    )
    gone = delete(SearchInput).where(SearchInput.digest.in_(over)).returning(SearchInput.digest)
    return len(session.scalars(gone).all())
