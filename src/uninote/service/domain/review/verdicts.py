"""Review queue of matches, and the reviewers' verdicts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import VERDICTS, Match, Review
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base import audit
from uninote.service.domain.base.text import check_words
from uninote.service.errors import InvalidError, NotFoundError


@dataclass(frozen=True)
class Quality:
    """Numbers of matches of a category by verdict; `precision` is None without a decided one."""

    category: str
    open: int
    true_positives: int
    false_positives: int
    unsure: int

    @property
    def precision(self) -> float | None:
        decided = self.true_positives + self.false_positives
        return self.true_positives / decided if decided else None


def queue(
    session: Session,
    *,
    category: str | None = None,
    verdict: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Match]:
    """Return matches with that verdict (None: open ones), the newest first.

    before: the last id of the previous page.
    """
    query = select(Match).order_by(Match.id.desc()).limit(limit)
    query = query.where(Match.verdict.is_(None) if verdict is None else Match.verdict == verdict)
    if category is not None:
        query = query.where(Match.category == category)
    if before is not None:
        query = query.where(Match.id < before)
    return list(session.scalars(query))


def matches_of(session: Session, note_id: str) -> list[Match]:
    """Return all matches of a note, best first."""
    query = select(Match).where(Match.note_id == note_id).order_by(Match.score.desc(), Match.sample_id)
    return list(session.scalars(query))


def judge(session: Session, match_id: int, verdict: str, actor: str, comment: str = "") -> Review:
    """Record a verdict. A later one on the same match replaces it in the queue; the history keeps both.

    Raises NotFoundError for a match that does not exist, InvalidError for an unknown verdict.
    """
    if verdict not in VERDICTS:
        raise InvalidError(f"verdict {verdict!r} is none of {', '.join(VERDICTS)}")
    check_words("a comment", comment)
    match = session.scalars(select(Match).where(Match.id == match_id).with_for_update()).one_or_none()
    if match is None:
        raise NotFoundError(f"there is no match {match_id}; its note may have changed or been deleted")
    content_key = session.scalars(select(StoredNote.content_key).where(StoredNote.id == match.note_id)).one()
    match.verdict = verdict
    review = Review(
        note_id=match.note_id,
        sample_id=match.sample_id,
        content_key=content_key,
        category=match.category,
        score=match.score,
        verdict=verdict,
        comment=comment,
        actor=actor,
    )
    session.add(review)
    session.flush()
    subject = audit.note_subject(match.note_id)
    audit.record(session, actor, "review", subject, sample=match.sample_id, verdict=verdict)
    return review


def history(session: Session, note_id: str, sample_id: int | None = None) -> list[Review]:
    """Return verdicts on a note, the newest first."""
    query = select(Review).where(Review.note_id == note_id).order_by(Review.id.desc())
    return list(session.scalars(query if sample_id is None else query.where(Review.sample_id == sample_id)))


def quality(session: Session) -> list[Quality]:
    """Return the numbers of open matches and verdicts per category."""
    numbers = [func.count().filter(Match.verdict == verdict) for verdict in VERDICTS]
    rows = session.execute(
        select(Match.category, func.count().filter(Match.verdict.is_(None)), *numbers)
        .group_by(Match.category)
        .order_by(Match.category)
    )
    return [Quality(*row) for row in rows]  # type: ignore[call-arg]
