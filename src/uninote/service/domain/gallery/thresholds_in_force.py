"""Thresholds in force: the newest of each category for a model version."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from uninote.service.db.gallery_tables import Category, Threshold


def in_force(session: Session, model_id: int) -> dict[str, float]:
    """Return the threshold of each category that has one for this model."""
    rows = session.execute(
        select(Threshold.category, Threshold.value)
        .ext(distinct_on(Threshold.category))
        .where(Threshold.model_id == model_id)
        .order_by(Threshold.category, Threshold.id.desc())
    )
    return dict(rows.all())


def without_threshold(session: Session, model_id: int) -> list[str]:
    """Return the enabled categories without a threshold for this model: they match nothing."""
    with_one = set(in_force(session, model_id))
    names = session.scalars(select(Category.name).where(Category.enabled).order_by(Category.name))
    return [name for name in names if name not in with_one]
