"""Schema of a Milvus collection: fields and index of a new one, and the check of one that exists."""

from __future__ import annotations

import json

from pymilvus import DataType, MilvusClient

from uninote.errors import StoreError

SCHEMA_VERSION = 1
MAX_PAYLOAD = 65_535
"""Bytes of the longest text column."""


def prepare(client: MilvusClient, name: str, dim: int, index: str, seconds: float) -> None:
    """Create a missing collection and load it. seconds: longest single request.

    Raises StoreError for a collection that was made with another dimension, index or schema version.
    """
    wanted = {"schema": SCHEMA_VERSION, "dimension": dim, "index": index}
    if not client.has_collection(name, timeout=seconds):
        schema = MilvusClient.create_schema(
            auto_id=False, enable_dynamic_field=False, description=json.dumps(wanted)
        )
        schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=4 * 512)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        for field in ("kind", "category", "model_version"):
            schema.add_field(field, DataType.VARCHAR, max_length=4 * 256)
        schema.add_field("time", DataType.INT64)
        schema.add_field("payload", DataType.VARCHAR, max_length=MAX_PAYLOAD)
        kind, build = ("HNSW", {"M": 16, "efConstruction": 200}) if index == "hnsw" else ("FLAT", {})
        indexes = MilvusClient.prepare_index_params()
        indexes.add_index("vector", index_type=kind, metric_type="IP", params=build)
        client.create_collection(
            name, schema=schema, index_params=indexes, consistency_level="Strong", timeout=seconds
        )
    made = client.describe_collection(name, timeout=seconds)["description"]
    try:
        stored = dict(json.loads(made))
    except (TypeError, ValueError):
        raise StoreError(f"collection {name!r} is not of this program; choose another") from None
    for key, asked in wanted.items():
        if stored.get(key) != asked:
            raise StoreError(
                f"collection {name!r} was made with {key} {stored.get(key)}, not {asked}; "
                f"ask for {stored.get(key)}, or use another database or collection"
            )
    client.load_collection(name, timeout=seconds)
