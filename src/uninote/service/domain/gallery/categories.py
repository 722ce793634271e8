"""Categories of the gallery: kinds of content to look for. A change applies to the next note."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from uninote.hints import nearest
from uninote.service.db.gallery_tables import Category, Sample
from uninote.service.domain.base import audit, gallery_lock
from uninote.service.domain.base.pictures import drop_unused
from uninote.service.domain.base.text import check_name, check_words
from uninote.service.domain.gallery.sample_rows import shown_digests
from uninote.service.errors import InvalidError, NotFoundError


def put_category(
    session: Session,
    name: str,
    actor: str,
    *,
    description: str = "",
    enabled: bool = True,
    disabled_until: datetime | None = None,
    sampling: float = 1.0,
) -> Category:
    """Create or replace a category's settings. Raises InvalidError for a bad name or ratio."""
    check_name("a category name", name)
    check_words("a description", description)
    if disabled_until is not None and disabled_until.utcoffset() is None:
        raise InvalidError("disabled_until needs a time zone; add Z or an offset")
    if not (math.isfinite(sampling) and 0 <= sampling <= 1):
        raise InvalidError(f"sampling is a fraction in [0, 1], not {sampling}")
    values = {
        "description": description,
        "enabled": enabled,
        "disabled_until": disabled_until,
        "sampling": sampling,
    }
    statement = insert(Category).values(name=name, **values)
    upsert = statement.on_conflict_do_update(index_elements=[Category.name], set_=values).returning(Category)
    category = session.scalars(upsert, execution_options={"populate_existing": True}).one()
    audit.record(
        session,
        actor,
        "category.put",
        f"category:{name}",
        **values | {"disabled_until": _iso(disabled_until)},
    )
    gallery_lock.increment(session)
    return category


def delete_category(session: Session, name: str, actor: str) -> None:
    """Remove a category with its samples, thresholds and matches. Raises NotFoundError."""
    pictures = shown_digests(session, Sample.category == name)
    found = session.scalars(delete(Category).where(Category.name == name).returning(Category.name)).all()
    if not found:
        raise unknown(name, session.scalars(select(Category.name)))
    drop_unused(session, pictures)
    audit.record(session, actor, "category.delete", f"category:{name}")
    gallery_lock.increment(session)


def listing(session: Session) -> list[Category]:
    """Return all categories, ordered by name."""
    return list(session.scalars(select(Category).order_by(Category.name)))


def require(session: Session, name: str) -> None:
    """Raise NotFoundError, with the nearest names, unless there is this category."""
    if session.get(Category, name) is None:
        raise unknown(name, session.scalars(select(Category.name)))


def unknown(name: str, known: Iterable[str]) -> NotFoundError:
    """Return the error of a category that does not exist, with the nearest names of those that do."""
    return NotFoundError(f"there is no category {name!r}; {nearest(name, known)}")


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
