"""Every note and picture of a corpus as vectors in Parquet shards: resumable, ready for bulk load."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.progress import Progress

from uninote.encoder import Encoder
from uninote.errors import ItemError, StoreError
from uninote.items import Item, Note
from uninote.store.protocol import Record

SHARD = 512
PREVIEW_CHARS = 160


@dataclass(frozen=True)
class Entry:
    """One thing to be found: its id and kind ("note" or "image"), its item, and what a hit shows."""

    id: str
    kind: str
    item: Item
    category: str
    payload: dict[str, Any]


def catalogue(notes: Sequence[Note]) -> list[Entry]:
    """Notes in order, then every distinct picture once, with the first note it stands in."""
    entries = [
        Entry(
            note.id,
            "note",
            note.item(),
            note.category,
            {
                "title": note.title or note.body[:PREVIEW_CHARS],
                "preview": note.body[:PREVIEW_CHARS],
                "pictures": [str(picture.path) for picture in note.pictures[:1] if picture.path],
            },
        )
        for note in notes
    ]
    seen: set[str] = set()
    for note in notes:
        for picture in note.pictures:
            if picture.digest in seen:
                continue
            seen.add(picture.digest)
            entries.append(
                Entry(
                    f"image:{picture.digest[:24]}",
                    "image",
                    Item.of(picture),
                    note.category,
                    {
                        "title": picture.description[:PREVIEW_CHARS],
                        "note": note.id,
                        "pictures": [str(picture.path)] if picture.path else [],
                    },
                )
            )
    return entries


def embed_entries(
    encoder: Encoder, entries: Sequence[Entry], folder: Path, progress: bool = False
) -> dict[str, ItemError]:
    """Write `part-00000.parquet`, … of `SHARD` entries each. Returns the errors by entry id.

    Shards of the same model version and the same entries are kept, so that a killed run goes on; shards of
    another run are removed first. A bad entry is left out of its shard.
    """
    plan = {"version": encoder.version, "dim": encoder.dims[-1], "entries": _key(entries)}
    manifest = folder / "manifest.json"
    if not manifest.is_file() or json.loads(manifest.read_text()) != plan:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        manifest.write_text(json.dumps(plan))
    errors: dict[str, ItemError] = {}
    with Progress(disable=not progress) as bar:
        for start in bar.track(range(0, len(entries), SHARD), description="embedding"):
            part = folder / f"part-{start // SHARD:05d}.parquet"
            if part.is_file():
                continue
            block = entries[start : start + SHARD]
            failures: dict[int, ItemError] = {}
            vectors = encoder.encode([entry.item for entry in block], failures=failures)
            errors |= {block[i].id: error for i, error in failures.items()}
            kept = [i for i in range(len(block)) if i not in failures]
            _write(part, [block[i] for i in kept], vectors[kept], encoder.version)
    return errors


def _key(entries: Sequence[Entry]) -> str:
    return Item.of("entries", *(f"{entry.id} {entry.item.key}" for entry in entries)).key


def _write(
    part: Path, entries: Sequence[Entry], vectors: np.ndarray[Any, np.dtype[np.float32]], version: str
) -> None:
    flat = pa.array(vectors.ravel(), pa.float32())
    table = pa.table(
        {
            "id": [entry.id for entry in entries],
            "kind": [entry.kind for entry in entries],
            "category": [entry.category for entry in entries],
            "payload": [json.dumps(entry.payload, ensure_ascii=False) for entry in entries],
            "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    ).replace_schema_metadata({"model_version": version})
    partial = part.with_suffix(".partial")
    pq.write_table(table, partial)
    partial.replace(part)


def read_records(folder: Path) -> Iterator[list[Record]]:
    """The records of each shard, in order. Raises StoreError when the folder has none."""
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        raise StoreError(f"{folder} holds no embeddings: make them with `uninote embed`")
    for part in parts:
        table = pq.read_table(part)
        version = table.schema.metadata[b"model_version"].decode()
        width = table.schema.field("vector").type.list_size
        vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, width)
        rows = zip(table["id"], table["kind"], table["category"], table["payload"], vectors, strict=True)
        yield [
            Record(
                id.as_py(), vector, kind.as_py(), category.as_py(), None, version, json.loads(payload.as_py())
            )
            for id, kind, category, payload, vector in rows
        ]
