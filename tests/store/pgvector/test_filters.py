"""Filter condition in PostgreSQL against selections worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from uninote.store.embedded import EmbeddedServer
from uninote.store.pgvector.filters import FILTER, MODEL_VERSIONS, filter_values
from uninote.store.protocol import EVERYTHING, Filter

DAY = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = f"""
SELECT string_agg(id, '' ORDER BY id) FROM (VALUES
    ('a', 'note', 'food', 'm1', NULL::timestamptz), ('b', 'note', 'sport', 'm1', '2026-01-01T00:00Z'),
    ('c', 'video', 'food', 'm2', '2026-01-02T00:00Z')) AS row (id, kind, category, model_version, time)
WHERE {FILTER} AND {MODEL_VERSIONS}
"""


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (EVERYTHING, "abc"),
        (Filter(kinds=("note",)), "ab"),
        (Filter(kinds=()), None),
        (Filter(kinds=("note", "video"), categories=("food", "\0", "\ud800")), "ac"),
        (Filter(model_versions=("m2",)), "c"),
        (Filter(since=DAY), "bc"),
        (Filter(until=DAY + timedelta(days=1)), "b"),
    ],
)
def test_selected_by_hand(server: EmbeddedServer, filter: Filter, expected: str | None) -> None:
    with psycopg.connect(server.address) as connection:
        assert connection.execute(ROWS, filter_values(filter)).fetchall() == [(expected,)]  # type: ignore[arg-type]
