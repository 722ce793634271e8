"""Filter of a search over stored vectors, as parameters of SQL. The model is a separate condition."""

from __future__ import annotations

from typing import Any

from uninote.service.errors import InvalidError
from uninote.store.pgvector import filters
from uninote.store.protocol import Filter


def filter_values(filter: Filter) -> dict[str, Any]:
    """Return the parameters of `FILTER`. Raises InvalidError for a time without a zone.

    `model_versions` is ignored: a search uses one model.
    """
    for moment in (filter.since, filter.until):
        if moment is not None and moment.utcoffset() is None:
            raise InvalidError("a time range needs a time zone; add Z or an offset")
    return filters.filter_values(filter)
