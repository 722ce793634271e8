"""Use cases of the console's search inputs: keeping and reading them."""

from __future__ import annotations

from collections.abc import Sequence

from uninote.service.app.services import Services
from uninote.service.domain.notes import search_inputs
from uninote.service.domain.notes.search_inputs import Content, Kind

__all__ = ["Content", "Kind", "keep", "read"]


async def keep(services: Services, contents: Sequence[Content]) -> None:
    """Keep inputs so that an address can name them by their digests."""
    await services.transaction(lambda session: search_inputs.keep(session, contents))


async def read(services: Services, digest: str, kind: Kind) -> bytes:
    """Return the bytes of an input, or of a picture that a note or sample has. Raises NotFoundError."""
    return await services.read(lambda session: search_inputs.read(session, digest, kind))
