"""Categories of the gallery: kinds of content to look for. A change applies to the next note."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from uninote.hints import nearest
from uninote.service.db.gallery_tables import Category, Sample
from uninote.service.domain.base import audit, gallery_lock
from uninote.service.domain.base.pictures import drop_unused
from uninote.service.domain.base.text import check_name, check_words
from uninote.service.domain.base.written import Written
from uninote.service.domain.gallery.sample_rows import shown_digests
from uninote.service.errors import ConflictError, InvalidError, NotFoundError, TakenError


def put_category(
    session: Session,
    name: str,
    actor: str,
    *,
    description: str = "",
    enabled: bool = True,
    disabled_until: datetime | None = None,
    sampling: float = 1.0,
    only_new: bool = False,
    expected: Mapping[str, Any] | None = None,
) -> Written[Category, dict[str, Any]]:
    """Create or replace a category's settings; settings that are in force already are not written again.

    only_new: refuse a name that is taken. expected: settings that the caller saw; the category must exist and
    must still have them. Raises InvalidError for a bad name or ratio. Raises TakenError for a new name that
    differs from an existing one in case and spaces only. Raises ConflictError or NotFoundError when
    `expected` does not hold.
    """
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
    gallery_lock.lock_exclusive(session)  # two new names that look alike must not pass side by side
    category = session.get(Category, name)
    before = None if category is None else {field: getattr(category, field) for field in values}
    if category is None:
        if expected is not None:
            raise NotFoundError(f"category {name!r} was deleted meanwhile; nothing was saved")
        _check_new(session, name)
        category = Category(name=name, **values)
        session.add(category)
    else:
        if only_new:
            raise TakenError(f"category {name!r} exists already; nothing was changed", name)
        if before == values:
            return Written(category, before, changed=False)
        _check_expected(category, expected or {})
        for field, value in values.items():
            setattr(category, field, value)
    session.flush()
    audit.record(
        session,
        actor,
        "category.put",
        f"category:{name}",
        **values | {"disabled_until": _iso(disabled_until)},
    )
    gallery_lock.increment(session)
    return Written(category, before, changed=True)


def _check_new(session: Session, name: str) -> None:
    for known in session.scalars(select(Category.name)):
        if _folded(known) == _folded(name):
            raise TakenError(
                f"category {known!r} exists already, and {name!r} differs from it in case or spaces only; "
                "take another name",
                known,
            )
    if name != name.strip():
        raise InvalidError(f"a category name begins and ends without spaces, unlike {name!r}")


def _folded(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _same(value: object, seen: object) -> bool:
    """Return whether two settings are equal; of texts, forms change the spaces and line ends."""
    if isinstance(value, str) and isinstance(seen, str):
        return value.split() == seen.split()
    return value == seen


def _check_expected(category: Category, expected: Mapping[str, Any]) -> None:
    stale = [
        f"{field.replace('_', ' ')} is {getattr(category, field)!r}, not {seen!r}"
        for field, seen in expected.items()
        if not _same(getattr(category, field), seen)
    ]
    if stale:
        raise ConflictError(
            f"category {category.name!r} was changed meanwhile: {'; '.join(stale)}; nothing was saved. "
            "Load the page again to see its settings"
        )


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
