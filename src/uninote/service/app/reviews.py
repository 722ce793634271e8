"""Use cases of reviews: the queue of matches, verdicts, and their export as training data."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from uninote.service.app.services import Services
from uninote.service.db.gallery_tables import Match
from uninote.service.domain.gallery import categories
from uninote.service.domain.review import export, verdicts
from uninote.service.errors import NotFoundError
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import QualityOut, Review, VerdictIn


@dataclass(frozen=True)
class Standing:
    """Number of open matches; the actor's last verdict that can be undone, and its match.

    more: there are more open ones than `open`, which is then `MAX_COUNTED`.
    """

    open: int
    more: bool
    last: Review | None
    last_match: int | None


async def queue(
    services: Services, category: str | None, verdict: str | None, before: int | None, limit: int
) -> list[MatchOut]:
    """Return matches with that verdict (None: open ones), the newest first. Raises NotFoundError."""

    return await _listed(services, verdicts.queue, category, verdict=verdict, before=before, limit=limit)


async def surest(
    services: Services,
    category: str | None,
    verdict: str | None,
    before: tuple[float, int] | None,
    limit: int,
) -> list[MatchOut]:
    """Return matches with that verdict (None: open ones), the highest score first. Raises NotFoundError."""
    return await _listed(services, verdicts.surest, category, verdict=verdict, before=before, limit=limit)


async def _listed(
    services: Services, find: Callable[..., list[Match]], category: str | None, **options: Any
) -> list[MatchOut]:
    def work(session: Session) -> list[MatchOut]:
        if category is not None:
            categories.require(session, category)
        return [MatchOut.model_validate(one) for one in find(session, category=category, **options)]

    return await services.transaction(work)


async def standing(services: Services, category: str | None, actor: str) -> Standing:
    """Return how many matches are open and what the actor can undo, of one category or of all."""

    def work(session: Session) -> Standing:
        count, found = verdicts.count_open(session, category), verdicts.last_of(session, actor, category)
        number = min(count, verdicts.MAX_COUNTED)
        if found is None:
            return Standing(number, count > number, None, None)
        return Standing(number, count > number, Review.model_validate(found[0]), found[1].id)

    return await services.transaction(work)


async def match(services: Services, match_id: int) -> MatchOut:
    """Return a match. Raises NotFoundError."""

    def work(session: Session) -> MatchOut:
        found = session.get(Match, match_id)
        if found is None:
            raise NotFoundError("the match is gone: its note has changed or was deleted")
        return MatchOut.model_validate(found)

    return await services.transaction(work)


async def judge(services: Services, match_id: int, given: VerdictIn, actor: str) -> Review:
    """Record a verdict, which replaces an earlier one in the queue; the same one again changes nothing.

    Raises NotFoundError, ConflictError.
    """
    seen = given.replaces if "replaces" in given.model_fields_set else verdicts.UNCHECKED
    review = await services.transaction(
        lambda session: verdicts.judge(session, match_id, given.verdict, actor, given.comment, expected=seen)
    )
    return Review.model_validate(review)


async def undo(services: Services, review_id: int, actor: str) -> Review:
    """Take a verdict back; doing it again changes nothing. Raises NotFoundError, ConflictError."""
    return Review.model_validate(
        await services.transaction(lambda session: verdicts.undo(session, review_id, actor))
    )


async def quality(services: Services) -> list[QualityOut]:
    """Return the numbers of open matches and verdicts per category."""
    return [QualityOut.model_validate(one) for one in await services.transaction(verdicts.quality)]


async def export_verdicts(
    services: Services, form: Literal["pairs", "examples"], category: str | None
) -> bytes:
    """Return verdicts as training data in JSON lines. Raises NotFoundError for an unknown category."""

    def work(session: Session) -> bytes:
        if category is not None:
            categories.require(session, category)
        with tempfile.TemporaryDirectory(prefix="uninote-") as folder:
            export.export_verdicts(session, Path(folder), category)
            return (Path(folder) / (export.PAIRS if form == "pairs" else export.EXAMPLES)).read_bytes()

    return await services.transaction(work)
