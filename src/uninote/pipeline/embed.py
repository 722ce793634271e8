"""Embeddings of a corpus in Parquet shards: every note and picture, resumable, ready for bulk load."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from uninote.encoder import Encoder
from uninote.encoder.partial import encode_partly, lost
from uninote.errors import ItemError, PartError
from uninote.extras import needs
from uninote.files import write_atomic
from uninote.items import RENDERING, Item, Note, joined
from uninote.pipeline.embeddings import MANIFEST, PARTS
from uninote.progress import show_progress
from uninote.store.protocol import CONTENT_KEY

with needs("data"):
    import pyarrow as pa
    import pyarrow.parquet as pq

SHARD = 512
PREVIEW_CHARS = 160
_KINDS: dict[str, type[ItemError]] = {"failures": ItemError, "partial": PartError}
"""Fields of a shard's metadata that hold errors, and their type."""


@dataclass(frozen=True)
class Entry:
    """Searchable entry: its id and kind ("note" or "image"), its item, and the payload that a hit shows."""

    id: str
    kind: str
    item: Item
    category: str
    payload: dict[str, Any]


def catalogue(notes: Sequence[Note]) -> list[Entry]:
    """List the notes in order, then every distinct picture once, with the first note that contains it.

    The frames of a video that was sampled by rate are one picture together.
    """
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
                # A service compares this key: a vector of the same content is reused.
                CONTENT_KEY: note.item().key,
            },
        )
        for note in notes
    ]
    seen: set[str] = set()
    for note in notes:
        for shown in joined(note.pictures):
            first, item = shown[0], Item.of(*shown)
            name = f"image:{first.digest[:24]}" if len(shown) == 1 else f"video:{item.key[:24]}"
            if name in seen:
                continue
            seen.add(name)
            entries.append(
                Entry(
                    name,
                    "image",
                    item,
                    note.category,
                    {
                        "title": first.description[:PREVIEW_CHARS],
                        "note": note.id,
                        "pictures": [str(first.path)] if first.path else [],
                    },
                )
            )
    return entries


@dataclass(frozen=True)
class Shard:
    """Shard to write: some entries, and the model version that must embed them.

    Attributes:
        file: absolute path of the Parquet file.
        version: `Encoder.version`.
    """

    file: Path
    version: str
    entries: tuple[Entry, ...]


Failures = dict[str, ItemError]
"""The error of each entry that was left out, by its id; a PartError of one without some of its pictures."""


def embed_entries(
    encoder: Encoder, entries: Sequence[Entry], folder: Path, progress: bool = False
) -> Failures:
    """Write `part-00000.parquet`, … of `SHARD` entries each, in this process. See `embed_shards`."""
    return embed_shards(
        encoder.version,
        encoder.dims[-1],
        entries,
        folder,
        lambda shards: (embed_shard(encoder, shard) for shard in shards),
        progress,
        encoder.changes,
    )


def embed_shards(
    version: str,
    dim: int,
    entries: Sequence[Entry],
    folder: Path,
    run: Callable[[Sequence[Shard]], Iterable[Failures]],
    progress: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Failures:
    """Write the missing shards by `run`, in any order. Returns the errors of all shards by entry id.

    Shards of the same model version, rendering and entries are kept, so that a killed run resumes; shards of
    another run are removed first. A bad entry is left out of its shard, whose metadata holds its error.

    options: `Encoder.changes`, which a search with these vectors needs as well.
    """
    parts = -(-len(entries) // SHARD)
    plan: dict[str, Any] = {
        "version": version,
        "dim": dim,
        "rendering": RENDERING,
        "entries": _key(entries),
        "parts": parts,
    }
    plan |= {"encoder": dict(options)} if options else {}
    manifest = folder / MANIFEST
    if _plan_of(manifest) != plan:
        folder.mkdir(parents=True, exist_ok=True)
        manifest.unlink(missing_ok=True)  # first: half of the old shards are no embeddings
        for old in folder.glob(f"{PARTS}.parquet"):
            old.unlink()
        with write_atomic(manifest) as partial:
            partial.write_text(json.dumps(plan))
    shards = [
        Shard(
            folder.resolve() / f"part-{number:05d}.parquet",
            version,
            tuple(entries[number * SHARD : (number + 1) * SHARD]),
        )
        for number in range(parts)
    ]
    failures: Failures = {}
    todo = []
    for shard in shards:
        if shard.file.is_file():
            failures |= _failures_of(shard.file)
        else:
            todo.append(shard)
    with show_progress("embedding, shards", parts, done=parts - len(todo), show=progress) as bar:
        for failed in run(todo) if todo else ():
            failures |= failed
            bar.advance()
    for abandoned in folder.glob(f"{PARTS}.partial"):  # of writers that were killed
        abandoned.unlink(missing_ok=True)
    return failures


def _plan_of(manifest: Path) -> dict[str, Any] | None:
    """Return the plan of the shards; None where it is missing or damaged."""
    try:
        return {"rendering": 1, **json.loads(manifest.read_bytes())}
    except (OSError, ValueError, TypeError):
        return None


def embed_shard(encoder: Encoder, shard: Shard) -> Failures:
    """Write one shard, whole or not at all; a shard that exists is kept."""
    if shard.file.is_file():
        return _failures_of(shard.file)
    vectors, errors = encode_partly(encoder.encode, [entry.item for entry in shard.entries])
    failures = {shard.entries[i].id: error for i, error in errors.items()}
    unusable = lost(errors)
    kept = [i for i in range(len(shard.entries)) if i not in unusable]
    entries = [_without_key(shard.entries[i]) if i in errors else shard.entries[i] for i in kept]
    _write(shard.file, entries, vectors[kept], shard.version, failures)
    return failures


def _without_key(entry: Entry) -> Entry:
    """Return the entry without the key of its content, which its vector lacks a part of."""
    return replace(entry, payload={key: value for key, value in entry.payload.items() if key != CONTENT_KEY})


def _key(entries: Sequence[Entry]) -> str:
    return Item.of("entries", *(f"{entry.id} {entry.item.key}" for entry in entries)).key


def _write(
    part: Path,
    entries: Sequence[Entry],
    vectors: np.ndarray[Any, np.dtype[np.float32]],
    version: str,
    failures: Failures,
) -> None:
    flat = pa.array(vectors.ravel(), pa.float32())
    columns = {
        "id": pa.array([entry.id for entry in entries], pa.string()),
        "kind": pa.array([entry.kind for entry in entries], pa.string()),
        "category": pa.array([entry.category for entry in entries], pa.string()),
        "payload": pa.array(
            [json.dumps(entry.payload, ensure_ascii=False) for entry in entries], pa.string()
        ),
        "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
    }
    metadata = {"model_version": version}
    for name, kind in _KINDS.items():
        found = {id: str(error) for id, error in failures.items() if type(error) is kind}
        metadata[name] = json.dumps(found, ensure_ascii=False)
    table = pa.table(columns).replace_schema_metadata(metadata)
    # Two machines may write the same shard when one of them was declared dead too early.
    with write_atomic(part, several_writers=True) as partial:
        pq.write_table(table, partial)


def _failures_of(part: Path) -> Failures:
    metadata = pq.read_schema(part).metadata or {}
    return {
        id: kind(reason)
        for name, kind in _KINDS.items()
        for id, reason in json.loads(metadata.get(name.encode(), b"{}")).items()
    }
