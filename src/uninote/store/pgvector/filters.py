"""SQL condition of a filter, and its parameter values."""

from __future__ import annotations

from typing import Any

from uninote.store.protocol import Filter
from uninote.store.validate import storable

FILTER = (
    "(%(kinds)s::text[] IS NULL OR kind = ANY(%(kinds)s)) "
    "AND (%(categories)s::text[] IS NULL OR category = ANY(%(categories)s)) "
    "AND (%(since)s::timestamptz IS NULL OR time >= %(since)s::timestamptz) "
    "AND (%(until)s::timestamptz IS NULL OR time < %(until)s::timestamptz)"
)
"""A condition on the columns kind, category and time; its parameters are those of `filter_values`."""
MODEL_VERSIONS = "(%(model_versions)s::text[] IS NULL OR model_version = ANY(%(model_versions)s))"
"""A condition on the column model_version, for tables that have it."""


def filter_values(filter: Filter) -> dict[str, Any]:
    """Return the statement parameters of `FILTER` and `MODEL_VERSIONS`.

    Names that no text column can hold are left out: no row has them.
    """

    def listed(names: tuple[str, ...] | None) -> list[str] | None:
        return None if names is None else [name for name in names if storable(name)]

    return {
        "kinds": listed(filter.kinds),
        "categories": listed(filter.categories),
        "model_versions": listed(filter.model_versions),
        "since": filter.since,
        "until": filter.until,
    }
