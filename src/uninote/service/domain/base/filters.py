"""Which stored vectors a search looks at, as SQL and its values; the model is asked for beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uninote.service.errors import InvalidError
from uninote.store.protocol import Filter
from uninote.store.validate import storable

FILTER = (
    "(%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s)) "
    "AND (%(categories)s::text[] IS NULL OR category = ANY(%(categories)s)) "
    "AND (%(since)s::timestamptz IS NULL OR time >= %(since)s::timestamptz) "
    "AND (%(until)s::timestamptz IS NULL OR time < %(until)s::timestamptz)"
)
"""A condition on `service.vectors`; its parameters are those of `filter_values`."""


def filter_values(filter: Filter) -> dict[str, Any]:
    """The filter as statement parameters, without the strings that no column can hold and so no row has.

    `model_versions` is left out: a search is by one model. Raises InvalidError for a time without a zone.
    """
    for moment in (filter.since, filter.until):
        if moment is not None and moment.utcoffset() is None:
            raise InvalidError("a time range needs a time zone; add Z or an offset")
    return {
        "kinds": _listed(filter.kinds),
        "categories": _listed(filter.categories),
        "since": filter.since,
        "until": filter.until,
    }


def _listed(names: Sequence[str] | None) -> list[str] | None:
    return None if names is None else [name for name in names if storable(name)]
