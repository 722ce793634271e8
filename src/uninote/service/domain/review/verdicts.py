"""Review queue of matches, and the reviewers' verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session, aliased

from uninote.service.db.gallery_tables import VERDICTS, WITHDRAWN, Match, Review
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base import audit
from uninote.service.domain.base.text import check_words
from uninote.service.errors import ConflictError, InvalidError, NotFoundError

MAX_COUNTED = 10_000
"""Open matches up to which `count_open` is exact."""
UNCHECKED = "unchecked"
"""Default of `expected`: `judge` replaces any verdict."""


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
    query = _with(select(Match), category, verdict).order_by(Match.id.desc()).limit(limit)
    return list(session.scalars(query if before is None else query.where(Match.id < before)))


def surest(
    session: Session,
    *,
    category: str | None = None,
    verdict: str | None = None,
    before: tuple[float, int] | None = None,
    limit: int = 50,
) -> list[Match]:
    """Return matches with that verdict (None: open ones), the highest score first, then the newest.

    before: score and id of the last match of the previous page.
    """
    query = _with(select(Match), category, verdict).order_by(Match.score.desc(), Match.id.desc()).limit(limit)
    if before is not None:
        query = query.where(func.row(Match.score, Match.id) < func.row(*before))
    return list(session.scalars(query))


def count_open(session: Session, category: str | None = None) -> int:
    """Return the number of open matches, at most `MAX_COUNTED + 1`."""
    counted = _with(select(Match.id), category, None).limit(MAX_COUNTED + 1).subquery()
    return session.scalars(select(func.count()).select_from(counted)).one()


def _with(query: Select[Any], category: str | None, verdict: str | None) -> Select[Any]:
    query = query.where(Match.verdict.is_(None) if verdict is None else Match.verdict == verdict)
    return query if category is None else query.where(Match.category == category)


def matches_of(session: Session, note_id: str) -> list[Match]:
    """Return all matches of a note, best first."""
    query = select(Match).where(Match.note_id == note_id).order_by(Match.score.desc(), Match.sample_id)
    return list(session.scalars(query))


def judge(
    session: Session,
    match_id: int,
    verdict: str,
    actor: str,
    comment: str = "",
    *,
    expected: str | None = UNCHECKED,
) -> Review:
    """Record a verdict. A later one on the same match replaces it in the queue; the history keeps both.

    If the verdict in force is the same one by the same actor, and `comment` adds nothing to it, nothing is
    written: its record is returned. The lock of the match makes this hold for concurrent calls as well.

    expected: the verdict that the caller saw in force, None for none. Raises NotFoundError for a match that
    does not exist, InvalidError for an unknown verdict, ConflictError when the one in force is neither
    `expected` nor `verdict`.
    """
    if verdict not in VERDICTS:
        raise InvalidError(f"verdict {verdict!r} is none of {', '.join(VERDICTS)}")
    check_words("a comment", comment)
    match = session.scalars(select(Match).where(Match.id == match_id).with_for_update()).one_or_none()
    if match is None:
        raise NotFoundError(f"there is no match {match_id}; its note may have changed or been deleted")
    content_key = session.scalars(select(StoredNote.content_key).where(StoredNote.id == match.note_id)).one()
    known = _standing(session, match.note_id, match.sample_id, content_key)
    same = known is not None and match.verdict == known.verdict == verdict and known.actor == actor
    if known is not None and same and comment in ("", known.comment):
        return known
    if expected != UNCHECKED and match.verdict not in (expected, verdict):
        raise ConflictError(
            f"match {match_id} was changed meanwhile: its verdict is {_named(match.verdict)}, not "
            f"{_named(expected)}; {_named(verdict)} was not saved. Look at it and decide again"
        )
    match.verdict = verdict
    review = Review(category=match.category, score=match.score, verdict=verdict, comment=comment)
    return _add(session, review, match, content_key, actor, "review", verdict=verdict)


def undo(session: Session, review_id: int, actor: str) -> Review:
    """Take a verdict back: the one before it counts again, or the match is open again; return the record.

    Undoing it again writes nothing and returns that record. Raises NotFoundError for an unknown verdict.
    Raises ConflictError for a record of an undo, when the match has a later verdict, and when the note has
    changed since.
    """
    undone = session.get(Review, review_id)
    if undone is None:
        raise NotFoundError(f"there is no verdict {review_id}")
    if undone.undoes is not None:
        raise ConflictError(f"verdict {review_id} is the record of an undo; give a new verdict instead")
    place = (Match.note_id == undone.note_id, Match.sample_id == undone.sample_id)
    match = session.scalars(select(Match).where(*place).with_for_update()).one_or_none()
    known = session.scalars(select(Review).where(Review.undoes == review_id)).one_or_none()
    if known is not None:
        return known
    content_key = session.scalars(select(StoredNote.content_key).where(StoredNote.id == undone.note_id)).one()
    if match is None or content_key != undone.content_key:
        raise ConflictError("the note has changed since this verdict, which therefore counts no longer")
    last = _standing(session, match.note_id, match.sample_id, content_key)
    if last is None or last.id != review_id:
        raise ConflictError("this match has a later verdict; undo that one first, or give a new one")
    before = _standing(session, match.note_id, match.sample_id, content_key, below=review_id)
    match.verdict = before.verdict if before else None
    record = Review(category=undone.category, score=undone.score, comment="", undoes=review_id)
    record.verdict = match.verdict or WITHDRAWN
    details = {"undone": undone.verdict, "verdict": match.verdict}
    return _add(session, record, match, content_key, actor, "review.undo", **details)


def _add(
    session: Session, record: Review, match: Match, content_key: str, actor: str, action: str, **details: Any
) -> Review:
    """Write a record of a match, and its entry in the audit log."""
    record.note_id, record.sample_id = match.note_id, match.sample_id
    record.content_key, record.actor = content_key, actor
    session.add(record)
    session.flush()
    subject = audit.note_subject(match.note_id)
    audit.record(session, actor, action, subject, sample=match.sample_id, **details)
    return record


def _named(verdict: str | None) -> str:
    return "none" if verdict is None else verdict.replace("_", " ")


def last_of(session: Session, actor: str, category: str | None = None) -> tuple[Review, Match] | None:
    """Return the last verdict of an actor, in a category or in all, that `undo` can take back; its match."""
    later = aliased(Review)
    pair = (Match.note_id == Review.note_id) & (Match.sample_id == Review.sample_id)
    query = (
        select(Review, Match)
        .join(Match, pair)
        .join(StoredNote, (StoredNote.id == Review.note_id) & (StoredNote.content_key == Review.content_key))
        .where(Review.actor == actor, _stands(Review))
        .where(
            ~select(later.id)
            .where(later.note_id == Review.note_id, later.sample_id == Review.sample_id)
            .where(later.content_key == Review.content_key, later.id > Review.id, _stands(later))
            .exists()
        )
        .order_by(Review.id.desc())
        .limit(1)
    )
    found = session.execute(query if category is None else query.where(Match.category == category)).first()
    return None if found is None else (found[0], found[1])


def _standing(
    session: Session, note_id: str, sample_id: int, content_key: str, below: int | None = None
) -> Review | None:
    """Return the newest verdict on this content that was not undone, of an id below `below`."""
    query = (
        select(Review)
        .where(Review.note_id == note_id, Review.sample_id == sample_id, Review.content_key == content_key)
        .where(_stands(Review))
        .order_by(Review.id.desc())
        .limit(1)
    )
    return session.scalars(query if below is None else query.where(Review.id < below)).one_or_none()


def _stands(review: Any) -> ColumnElement[bool]:
    """Return the condition that a record is a verdict, and no other record undoes it."""
    other = aliased(Review)
    return and_(review.undoes.is_(None), ~select(other.id).where(other.undoes == review.id).exists())


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
