"""Thresholds per category and model version, with their history."""

from __future__ import annotations

import math

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import Threshold
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base import audit, gallery_lock
from uninote.service.domain.base.text import check_words
from uninote.service.domain.base.written import Written
from uninote.service.domain.gallery import categories, versions
from uninote.service.errors import ConflictError, InvalidError

UNCHECKED = math.nan
"""Default of `expected`: `put` replaces any threshold."""


def put(
    session: Session,
    category: str,
    version: str,
    value: float,
    actor: str,
    reason: str = "",
    *,
    expected: float | None = UNCHECKED,
) -> Written[Threshold, float]:
    """Set a threshold for every ingest that commits after this transaction.

    The value in force, without a reason or with the same one, is not written again.

    expected: the value that the caller saw in force, None for none. Raises InvalidError for a value outside
    [-1, 1], NotFoundError for an unknown category or version, ConflictError when another one is in force than
    `expected`.
    """
    if not (math.isfinite(value) and -1 <= value <= 1):
        raise InvalidError(f"a threshold is a cosine in [-1, 1], not {value}")
    check_words("a reason", reason)
    model = versions.get(session, version).id
    categories.require(session, category)
    gallery_lock.lock_exclusive(session)  # no other value comes between this look and the change
    before = next(iter(history(session, category, version, limit=1)), None)
    present = None if before is None else before.value
    if before is not None and before.value == value and reason in ("", before.reason):
        return Written(before, present, changed=False)
    unchecked = expected is not None and math.isnan(expected)
    if not unchecked and present != expected:
        raise ConflictError(
            f"the threshold of {category!r} was changed meanwhile: {_named(present)} is in force, not "
            f"{_named(expected)}; {value} was not saved. Load the page again and decide again"
        )
    added = session.scalars(
        insert(Threshold)
        .values(category=category, model_id=model, value=value, actor=actor, reason=reason)
        .returning(Threshold)
    ).one()
    audit.record(
        session, actor, "threshold.put", f"category:{category}", version=version, value=value, reason=reason
    )
    gallery_lock.increment(session)
    return Written(added, present, changed=True)


def _named(value: float | None) -> str:
    return "none" if value is None else f"{value}"


def history(
    session: Session,
    category: str,
    version: str | None = None,
    *,
    before: int | None = None,
    limit: int = 100,
) -> list[Threshold]:
    """Return the thresholds of a category below the id `before`, the newest first.

    Raises NotFoundError for an unknown category.
    """
    categories.require(session, category)
    query = select(Threshold).where(Threshold.category == category).order_by(Threshold.id.desc()).limit(limit)
    if version is not None:
        model = select(ModelVersion.id).where(ModelVersion.version == version).scalar_subquery()
        query = query.where(Threshold.model_id == model)
    if before is not None:
        query = query.where(Threshold.id < before)
    return list(session.scalars(query))
