"""Use cases of reviews: the queue of matches, verdicts, and their export as training data."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from sqlalchemy.orm import Session

from uninote.service.app.services import Services
from uninote.service.db.gallery_tables import Match
from uninote.service.domain.gallery import categories
from uninote.service.domain.review import export, verdicts
from uninote.service.errors import NotFoundError
from uninote.service.schemas.notes import MatchOut
from uninote.service.schemas.reviews import QualityOut, Review, VerdictIn


async def queue(
    services: Services, category: str | None, verdict: str | None, before: int | None, limit: int
) -> list[MatchOut]:
    """Return matches with that verdict (None: open ones), the newest first. Raises NotFoundError."""

    def work(session: Session) -> list[MatchOut]:
        if category is not None:
            categories.require(session, category)
        found = verdicts.queue(session, category=category, verdict=verdict, before=before, limit=limit)
        return [MatchOut.model_validate(one) for one in found]

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
    """Record a verdict, which replaces an earlier one in the queue. Raises NotFoundError."""
    review = await services.transaction(
        lambda session: verdicts.judge(session, match_id, given.verdict, actor, given.comment)
    )
    return Review.model_validate(review)


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
