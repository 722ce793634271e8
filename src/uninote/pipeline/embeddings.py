"""Reader of a folder of embeddings: a manifest, and Parquet files of records in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uninote.errors import StoreError
from uninote.extras import needs
from uninote.items import require_rendering
from uninote.store.protocol import Record

with needs("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq

MANIFEST = "manifest.json"
PARTS = "part-[0-9]*"
BATCH = 512


@dataclass(frozen=True)
class Embeddings:
    """Finished folder of shards: the model version and dimension of its vectors, and its files in order.

    options: `Encoder.changes` of the encoder.
    """

    version: str
    dim: int
    parts: tuple[Path, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


def open_embeddings(folder: Path) -> Embeddings:
    """Open the embeddings of `folder`.

    Raises StoreError when it holds no embeddings, only a part of them, or those of another rendering.
    """
    parts = tuple(sorted(folder.glob(f"{PARTS}.parquet")))
    try:
        plan = json.loads((folder / MANIFEST).read_text())
        version, dim, expected = str(plan["version"]), int(plan["dim"]), int(plan.get("parts", len(parts)))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreError(f"{folder} holds no embeddings: make them with `uninote embed`") from error
    require_rendering(plan, str(folder), "embed again with `uninote embed`", StoreError)
    if len(parts) != expected:
        raise StoreError(
            f"{folder} holds {len(parts)} of {expected} shards: "
            "run the same `uninote embed` again to finish them"
        )
    return Embeddings(version, dim, parts, plan.get("encoder", {}))


def read_records(embeddings: Embeddings) -> Iterator[list[Record]]:
    """Yield the records, at most `BATCH` at a time, so that memory does not grow with the corpus."""
    for part in embeddings.parts:
        with pq.ParquetFile(part) as file:
            version = (file.schema_arrow.metadata or {}).get(b"model_version", b"").decode()
            for batch in file.iter_batches(BATCH):
                yield _records(batch, version)


def _records(batch: pa.RecordBatch, version: str) -> list[Record]:
    width = batch.schema.field("vector").type.list_size
    vectors = batch["vector"].flatten().to_numpy().reshape(-1, width)
    rows = zip(batch["id"], batch["kind"], batch["category"], batch["payload"], vectors, strict=True)
    return [
        Record(id.as_py(), vector, kind.as_py(), category.as_py(), None, version, json.loads(payload.as_py()))
        for id, kind, category, payload, vector in rows
    ]
