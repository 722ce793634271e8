"""SQL of the store, for one collection. Names are quoted identifiers, values always bound parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg import sql

from uninote.errors import StoreError
from uninote.store.pgvector.filters import FILTER, MODEL_VERSIONS
from uninote.store.pgvector.search import Precision, exact_order, minus_cosine
from uninote.store.pgvector.version import CREATE_EXTENSION

COLUMN_TYPES: dict[Precision, str] = {"single": "vector", "half": "halfvec"}
PLAIN_BYTES = 4000  # rows up to here stay whole in an 8 kB page

# Openers take turns: concurrent CREATE ... IF NOT EXISTS of two sessions is an error in PostgreSQL.
LOCK_SCHEMA = "SELECT pg_advisory_xact_lock(hashtext('uninote.collections'))"
CREATE_SCHEMA = (
    CREATE_EXTENSION,
    "CREATE SCHEMA IF NOT EXISTS uninote",
    "CREATE TABLE IF NOT EXISTS uninote.collections ("
    "name text PRIMARY KEY, schema_version int NOT NULL, dim int NOT NULL, precision text NOT NULL)",
)
READ_COLLECTION = "SELECT schema_version, dim, precision FROM uninote.collections WHERE name = %s"
ADD_COLLECTION = (
    "INSERT INTO uninote.collections (name, schema_version, dim, precision) VALUES (%s, %s, %s, %s)"
)

_FILTER = f"{FILTER} AND {MODEL_VERSIONS}"
_DISTANCE = minus_cosine("item.vector", "query.vector::{type}")
_NEAREST = (
    "SELECT query.number, hit.* FROM unnest(%(queries)b::vector[]) WITH ORDINALITY AS query (vector, number) "
    f"CROSS JOIN LATERAL (SELECT id, -({_DISTANCE}) AS score, kind, category, payload "
    "FROM {table} AS item WHERE " + _FILTER + " {rest}) AS hit"
)
_EXACT = exact_order(_DISTANCE, "id")
_HNSW = "ORDER BY item.vector <#> query.vector::{type} LIMIT %(k)s"
_WITHIN = f"AND -({_DISTANCE}) >= %(threshold)s"


@dataclass(frozen=True)
class VectorTable:
    """A named set of vectors of one dimension. Raises StoreError for a name that is no short identifier."""

    name: str
    dim: int
    precision: Precision

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", self.name):
            raise StoreError(f"collection name {self.name!r}: use a-z, then a-z, 0-9, _ (40 at most)")

    @property
    def bytes_per_vector(self) -> int:
        return self.dim * (4 if self.precision == "single" else 2)


@dataclass(frozen=True)
class Statements:
    """The statements of one collection."""

    create: tuple[sql.Composed, ...]
    create_index: sql.Composed
    upsert: sql.Composed
    delete: sql.Composed
    search_exact: sql.Composed
    search_hnsw: sql.Composed
    within: sql.Composed
    count: sql.Composed
    count_up_to: sql.Composed
    analyze: sql.Composed


def statements(collection: VectorTable) -> Statements:
    """Return the statements of one collection."""
    name, dim, column_type = collection.name, collection.dim, COLUMN_TYPES[collection.precision]

    def compose(text: str) -> sql.Composed:
        return sql.SQL(text).format(  # type: ignore[arg-type]
            table=sql.Identifier("uninote", f"vectors_{name}"),
            index=sql.Identifier(f"vectors_{name}_hnsw"),
            filter_index=sql.Identifier(f"vectors_{name}_kind"),
            type=sql.SQL(column_type),
            operators=sql.Identifier(f"{column_type}_ip_ops"),
            dim=sql.Literal(dim),
            storage=sql.SQL("PLAIN" if collection.bytes_per_vector <= PLAIN_BYTES else "EXTERNAL"),
        )

    def nearest(rest: str) -> sql.Composed:
        return compose(_NEAREST.replace("{rest}", rest))

    return Statements(
        create=(
            compose(
                'CREATE TABLE {table} (id text COLLATE "C" PRIMARY KEY, vector {type}({dim}) NOT NULL, '
                "kind text NOT NULL, category text NOT NULL, time timestamptz, model_version text NOT NULL, "
                "payload json NOT NULL)"
            ),
            # Vectors moved to the TOAST table cost an exact scan a second look-up per row.
            compose("ALTER TABLE {table} ALTER COLUMN vector SET STORAGE {storage}"),
            compose("CREATE INDEX {filter_index} ON {table} (kind, category)"),
        ),
        create_index=compose("CREATE INDEX IF NOT EXISTS {index} ON {table} USING hnsw (vector {operators})"),
        # Rows that would not change are not written: a repeated load adds no dead rows to the index.
        upsert=compose(
            "INSERT INTO {table} AS item (id, vector, kind, category, time, model_version, payload) "
            "SELECT id, vector::{type}, kind, category, time, model_version, payload FROM unnest("
            "%(ids)s::text[], %(vectors)b::vector[], %(kinds)s::text[], %(categories)s::text[], "
            "%(times)s::timestamptz[], %(model_versions)s::text[], %(payloads)s::json[]) "
            "AS fresh (id, vector, kind, category, time, model_version, payload) "
            "ON CONFLICT (id) DO UPDATE SET vector = EXCLUDED.vector, kind = EXCLUDED.kind, "
            "category = EXCLUDED.category, time = EXCLUDED.time, model_version = EXCLUDED.model_version, "
            "payload = EXCLUDED.payload WHERE "
            "(item.vector, item.kind, item.category, item.time, item.model_version, item.payload::text) "
            "IS DISTINCT FROM (EXCLUDED.vector, EXCLUDED.kind, EXCLUDED.category, EXCLUDED.time, "
            "EXCLUDED.model_version, EXCLUDED.payload::text)"
        ),
        # Locks are taken in id order, as upsert does.
        delete=compose(
            "DELETE FROM {table} WHERE id IN "
            "(SELECT id FROM {table} WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE)"
        ),
        search_exact=nearest(_EXACT),
        search_hnsw=nearest(_HNSW),
        within=nearest(_WITHIN),
        count=compose("SELECT count(*) FROM {table} WHERE " + _FILTER),
        count_up_to=compose(
            "SELECT count(*) FROM (SELECT 1 FROM {table} WHERE " + _FILTER + " LIMIT %(limit)s) AS found"
        ),
        analyze=compose("ANALYZE {table}"),
    )
