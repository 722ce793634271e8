"""Searchable index: a folder with a store of embeddings and the model that made them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from uninote.corpus.writer import write_notes
from uninote.encoder import Encoder
from uninote.encoder.saved import Saved
from uninote.errors import ConfigError, StoreError
from uninote.extras import needs
from uninote.hints import nearest
from uninote.items import RENDERING, Item, Note, require_rendering
from uninote.pipeline.embeddings import open_embeddings, read_records
from uninote.progress import show_progress
from uninote.settings import Settings, StoreSettings
from uninote.store.factory import open_store
from uninote.store.protocol import Filter, Hit, Store

with needs("data"):
    import pyarrow.parquet as pq

MANIFEST = "index.json"
NOTES = "notes.jsonl"
NAMES = 1000  # records whose categories are offered in place of one that does not exist


def build_index(
    shards: Path,
    model: Path,
    folder: Path,
    settings: StoreSettings,
    progress: bool = False,
    notes: Sequence[Note] = (),
) -> int:
    """Load embedded shards into the store of `folder`. Returns the number of records of this model.

    Rows are upserted by id, so that loading again, also after a kill, changes nothing. They are read and
    written some hundreds at a time. `notes`, if given, are stored in the folder for the first start of
    `uninote serve`: they must be the embedded ones, annotations included.

    Raises ConfigError when another model made the embeddings, StoreError when they are not finished.
    """
    version = Saved(model).version
    embeddings = open_embeddings(shards)
    if embeddings.version != version:
        raise ConfigError(
            f"{shards} was embedded by model version {embeddings.version}, but {model} is version {version}: "
            f"name the model that made it, or embed again with `uninote embed --model {model}`"
        )
    store = open_store(settings, folder, embeddings.dim)
    try:
        folder.mkdir(parents=True, exist_ok=True)  # not before: a store that fails leaves no folder
        with show_progress("indexing", sum(map(_rows, embeddings.parts)), show=progress) as bar:
            for records in read_records(embeddings):
                store.upsert(records).raise_rejected()
                bar.advance(len(records))
        store.flush()
        count = store.count(Filter(model_versions=(version,)))
    finally:
        store.close()
    # A copy: the folder can be moved or mounted elsewhere, and retraining cannot pull its model away.
    skipped = shutil.ignore_patterns("run", "base")
    shutil.copytree(model, folder / "model", ignore=skipped, dirs_exist_ok=True)
    if notes:
        write_notes(notes, folder / NOTES, link=True)
    manifest = {"version": version, "dim": embeddings.dim, "rendering": RENDERING}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2))
    return count


def _rows(part: Path) -> int:
    rows: int = pq.read_metadata(part).num_rows
    return rows


class Searcher:
    """Searcher of an index folder; a context manager, because it may run the embedded server.

    Raises StoreError for a folder that holds no index, or one of another rendering.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        try:
            manifest = json.loads((folder / MANIFEST).read_text())
        except (OSError, ValueError) as error:
            raise StoreError(f"{folder} is not an index: build one with `uninote index`") from error
        fix = "embed and index again with `uninote embed` and `uninote index`"
        require_rendering(manifest, str(folder), fix, StoreError)
        self.folder = folder
        self.version: str = manifest["version"]
        self.encoder = Encoder.load(folder / "model", corpus=settings.corpus, device=settings.encoder.device)
        self.store: Store = open_store(settings.store, folder, manifest["dim"])

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
