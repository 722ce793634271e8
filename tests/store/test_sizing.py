"""Sizes computed by `sizing` against those of real tables and indexes, and against the table of the docs."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from uninote.store.embedded import EmbeddedServer

pytestmark = pytest.mark.slow

ROWS = 1500
ROOT = Path(__file__).parents[2]


def loaded() -> ModuleType:
    """Load the script as a module."""
    spec = importlib.util.spec_from_file_location("sizing", ROOT / "scripts" / "sizing.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["sizing"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


sizing = loaded()
MAKE = """
CREATE TABLE {name} AS SELECT 'note-' || lpad(n::text, 11, '0') AS note_id, 1::int2 AS model_id,
    repeat('a', 64) AS content_key, vector, 'note'::text AS kind, 'category'::text AS category, now() AS time
FROM generate_series(1, {rows}) AS n,
    LATERAL (SELECT ARRAY(SELECT random() - 0.5 + 0 * n FROM generate_series(1, {dims}))::halfvec({dims}))
    AS made (vector)
"""


@pytest.fixture(scope="module")
def connection(server: EmbeddedServer) -> Any:
    with psycopg.connect(server.address, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector; CREATE SCHEMA sizes")
        connection.execute("SET search_path = sizes, public; SET max_parallel_maintenance_workers = 0")
        yield connection
        connection.execute("DROP SCHEMA sizes CASCADE")


@pytest.mark.parametrize("dims", [64, 512, 1024])
def test_rows_and_indexes_are_as_large_as_computed(connection: Any, dims: int) -> None:
    def size(statement: str) -> float:
        return connection.execute(statement).fetchone()[0] / ROWS  # type: ignore[no-any-return]

    name = f"t{dims}"
    connection.execute(MAKE.format(name=name, rows=ROWS, dims=dims))
    # Files are extended many pages at a time, so those in use are counted.
    table = size(f"SELECT 8192 * count(DISTINCT (ctid::text::point)[0]) FROM {name}")
    moved = size(f"SELECT pg_total_relation_size(reltoastrelid) FROM pg_class WHERE oid = '{name}'::regclass")
    assert table + moved == pytest.approx(sizing.row_bytes(dims), rel=0.1)
    forms = {
        "float16": f"(vector::halfvec({dims})) halfvec_ip_ops",
        "bit": f"(binary_quantize(vector)::bit({dims})) bit_hamming_ops",
    }
    for form, operand in forms.items():
        connection.execute(f"CREATE INDEX {name}_{form} ON {name} USING hnsw ({operand})")
        found = size(f"SELECT pg_relation_size('{name}_{form}')")
        assert found == pytest.approx(sizing.hnsw_bytes(form, dims), rel=0.1), form


def test_by_hand() -> None:
    # An element of 72 + 1032 bytes, aligned 1104, and 200 of neighbours, with pointers 1312: six fit a page.
    assert sizing.hnsw_bytes("float16", 512) == pytest.approx(8192 / 6 + 6.4)
    # 4 x 512 for the vector, 33 links of 4 bytes and 4.27 above, 54 for the other columns.
    assert sizing.milvus_bytes(512) == pytest.approx(2048 + 132 + 64 / 15 + 54)
    # 2238 bytes a note over 70 % of 128 GB.
    assert sizing.capacity(512).machines(1_000_000_000, 128e9) == 25


def test_the_table_of_the_docs_is_what_is_computed() -> None:
    text = (ROOT / "docs" / "scale.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE)
    assert [int(dims) for dims, _ in rows] == list(sizing.DIMS)
    for dims, cells in rows:
        assert [cell.strip() for cell in cells.split("|")] == sizing.table_row(int(dims))
