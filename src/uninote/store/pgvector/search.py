"""Exact and approximate search with pgvector: thresholds, SQL and session settings."""

from __future__ import annotations

from typing import Literal

Precision = Literal["single", "half"]
"""Width of a stored number, 32 or 16 bits, by its name in the tables."""
HNSW_DIMS: dict[Precision, int] = {"single": 2000, "half": 4000}
"""Most dimensions of a vector that fits into an index page of pgvector."""
MAX_DIMS = 16_000
"""Most dimensions of a vector that pgvector stores, of either precision."""
EXACT_BELOW = 20_000
"""Rows of a collection, or selected by a filter, below which search compares with every row."""
MAX_EF = 1000
"""pgvector's upper bound of `hnsw.ef_search`, the candidates of one search in an HNSW index."""
SPARE = 16
"""Further rows to fetch from an HNSW index, which orders by the inner product: the cosine then ranks them."""

# An acknowledged write is on disk, whatever the server's default; jit costs more than it saves on short
# queries.
SESSION = "SET synchronous_commit = on; SET jit = off"
SERIAL = "SET max_parallel_workers_per_gather = 0"
"""For a server without the shared memory that parallel queries need."""
# Strict order, so that a filtered scan continues until k rows pass; no sort, so that the index is the plan.
TUNE_HNSW = (
    "SELECT set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true), "
    "set_config('hnsw.max_scan_tuples', '200000', true), set_config('enable_sort', 'off', true)"
)


def minus_cosine(left: str, right: str) -> str:
    """Return minus the cosine of two vectors in SQL.

    It divides by the lengths of the vectors as stored, so equal vectors score 1 although those of 16 bits
    are only nearly of length 1.
    """
    return f"({left} <=> {right}) - 1"


def exact_order(distance: str, id: str) -> str:
    """Return the ORDER BY and LIMIT of an exact search; its parameter is `k`.

    Distances are rounded to six decimals: ties fall to the id, and no vector index can serve the expression.
    """
    return f"ORDER BY round(({distance}) * 1e6), {id} LIMIT %(k)s"
