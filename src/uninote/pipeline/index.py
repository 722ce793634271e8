"""Searchable index: a folder with a store of embeddings and the model that made them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from uninote.corpus.writer import write_notes
from uninote.encoder.changes import check_kept, versioned
from uninote.encoder.loading import load_encoder
from uninote.encoder.saved import Saved
from uninote.errors import ConfigError, StoreError
from uninote.extras import needs
from uninote.files import write_atomic
from uninote.hints import nearest
from uninote.items import RENDERING, Item, Note, require_rendering
from uninote.pipeline.embeddings import open_embeddings, read_records
from uninote.progress import show_progress
from uninote.settings import EncoderSettings, Settings, StoreSettings
from uninote.store.factory import open_store
from uninote.store.layout import Layout, kind_of, layout_of
from uninote.store.manifest import EMBEDDED, MANIFEST, check_layout, check_place, read_manifest
from uninote.store.protocol import Filter, Hit, Store

with needs("data"):
    import pyarrow.parquet as pq

NOTES = "notes.jsonl"
NAMES = 1000  # records whose categories are offered in place of one that does not exist


@dataclass(frozen=True)
class Built:
    """Result of `build_index`: the number of records of this model, and the reason per id left out."""

    count: int
    left_out: Mapping[str, str]


def build_index(
    shards: Path,
    model: Path,
    folder: Path,
    settings: StoreSettings,
    progress: bool = False,
    notes: Sequence[Note] = (),
    encoder: EncoderSettings | None = None,
) -> Built:
    """Load embedded shards into the store of `folder`.

    Rows are upserted by id, so that loading again, also after a kill, changes nothing. They are read and
    written some hundreds at a time. A row that cannot be stored is left out by name. Vectors are stored as
    `layout_of` says, cut to its dimension; the folder keeps the layout.

    Args:
        notes: stored in the folder for the first start of `uninote serve`; they must be the embedded ones,
            annotations included.
        encoder: options that were set; they must be those of the embeddings.

    Raises ConfigError when another model made the embeddings, or for options that the model or the folder's
    index does not have; StoreError when they are not finished, or no row can be stored.
    """
    saved, embeddings = Saved(model), open_embeddings(shards)
    version = versioned(saved.version, embeddings.options)
    if embeddings.version != version:
        raise ConfigError(
            f"{shards} was embedded by model version {embeddings.version}, but {model} is version {version}: "
            f"name the model that made it, or embed again with `uninote embed --model {model}`"
        )
    if encoder is not None:
        check_kept(saved, encoder, embeddings.options, embeddings.dim, str(shards))
    dims = [dim for dim in saved.dims if dim < embeddings.dim] + [embeddings.dim]
    layout = planned_layout(folder, settings, dims)
    left_out: dict[str, str] = {}
    store = open_store(layout.applied(settings), folder, layout.dim)
    try:
        folder.mkdir(parents=True, exist_ok=True)  # not before: a store that fails leaves no folder
        with show_progress("indexing", sum(map(_rows, embeddings.parts)), show=progress) as bar:
            for records in read_records(embeddings):
                cut = [replace(record, vector=np.asarray(record.vector)[: layout.dim]) for record in records]
                left_out |= dict(store.upsert(cut).rejected)
                bar.advance(len(records))
        store.flush()
        count = store.count(Filter(model_versions=(version,)))
    finally:
        store.close()
    if left_out and not count:
        first = next(iter(left_out))
        raise StoreError(
            f"none of the {len(left_out)} records of {shards} can be stored; {first}: {left_out[first]}: "
            "embed again"
        )
    # A copy: the folder can be moved or mounted elsewhere, and retraining cannot pull its model away.
    skipped = shutil.ignore_patterns("run", "base")
    shutil.copytree(model, folder / "model", ignore=skipped, dirs_exist_ok=True)
    if notes:
        write_notes(notes, folder / NOTES, link=True)
    manifest = {
        "version": version,
        "rendering": RENDERING,
        **asdict(layout),
        "store": kind_of(settings.address) if settings.address else EMBEDDED,
        "encoder": dict(embeddings.options),
    }
    with write_atomic(folder / MANIFEST) as partial:
        partial.write_text(json.dumps(manifest, indent=2))
    return Built(count, left_out)


def planned_layout(folder: Path, settings: StoreSettings, dims: Sequence[int]) -> Layout:
    """Return the layout of vectors of a model trained at `dims`: that of the index in `folder`, if any.

    Raises ConfigError for options, or a model, that the index does not have.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        return layout_of(dims, settings)
    kept = check_layout(settings, manifest, str(folder))
    if manifest["dim"] not in dims:
        raise ConfigError(
            f"{folder} holds vectors of {manifest['dim']} dimensions, and the model has "
            f"{', '.join(map(str, dims))}: name another folder with --out"
        )
    return layout_of(dims, kept)


def _rows(part: Path) -> int:
    rows: int = pq.read_metadata(part).num_rows
    return rows


class Searcher:
    """Searcher of an index folder; a context manager, because it may run the embedded server.

    Raises StoreError for a folder that holds no index, or one of another rendering; ConfigError for options
    of the store or the encoder that the index was not made with.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        manifest = read_manifest(folder)
        if manifest is None:
            raise StoreError(f"{folder} is not an index: build one with `uninote index`")
        fix = "embed and index again with `uninote embed` and `uninote index`"
        require_rendering(manifest, str(folder), fix, StoreError)
        self.folder = folder
        check_place(manifest, folder, settings.store.address)
        store = check_layout(settings.store, manifest, str(folder))
        dim, kept = manifest["dim"], dict(manifest.get("encoder", {}))
        saved = Saved(folder / "model")
        check_kept(saved, settings.encoder, kept, dim, str(folder))
        if dim in saved.dims:
            kept["dims"] = [one for one in saved.dims if one <= dim]
        self.version: str = manifest["version"]
        self.encoder = load_encoder(folder / "model", settings, **kept)
        self.store: Store = open_store(store, folder, dim)

    def __enter__(self) -> Searcher:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def search(
        self,
        item: Item,
        k: int = 10,
        kinds: Sequence[str] | None = ("note",),
        categories: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Find the k nearest records of the index's own model version, best first.

        Raises StoreError when the store holds none at all.
        """
        chosen = Filter(
            kinds=tuple(kinds) if kinds else None,
            categories=tuple(categories) if categories else None,
            model_versions=(self.version,),
        )
        hits = self.store.search(self.encoder.encode([item]), k, chosen)[0]
        if not hits and not self.store.count(Filter(model_versions=(self.version,))):
            raise StoreError(
                f"the store of {self.folder} holds no record of its model: copy the folder whole, correct "
                "store.address, or run `uninote index` again"
            )
        return hits

    def unknown_categories(self, item: Item, names: Sequence[str]) -> list[str]:
        """Return a sentence for each category that no record has; it offers those of the nearest records."""
        own = Filter(model_versions=(self.version,))
        missing = [name for name in names if not self.store.count(replace(own, categories=(name,)))]
        if not missing:
            return []
        known = {hit.category for hit in self.store.search(self.encoder.encode([item]), NAMES, own)[0]}
        return [f"no record has category {name!r}; {nearest(name, known)}" for name in missing]
