"""Shards into a store: streamed, of one model only, finished only."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uninote.errors import ConfigError, ModelError, StoreError
from uninote.items import RENDERING, Item
from uninote.pipeline import embeddings, index
from uninote.pipeline.index import Searcher, build_index
from uninote.settings import StoreSettings, load_settings
from uninote.store.memory import MemoryStore
from uninote.store.protocol import Record, UpsertReport

DIM = 4
MEMORY = StoreSettings(address="memory")


def write_part(folder: Path, number: int, rows: int, version: str = "v1") -> None:
    vectors = np.random.default_rng(number).normal(size=(rows, DIM)).astype(np.float32)
    table = pa.table(
        {
            "id": pa.array([f"{number}-{row}" for row in range(rows)], pa.string()),
            "kind": pa.array(["note"] * rows, pa.string()),
            "category": pa.array(["c"] * rows, pa.string()),
            "payload": pa.array([json.dumps({"row": row}) for row in range(rows)], pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), DIM),
        }
    )
    pq.write_table(
        table.replace_schema_metadata({"model_version": version}), folder / f"part-{number:05d}.parquet"
    )


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    folder = tmp_path / "embeddings"
    folder.mkdir()
    for number, rows in enumerate((5, 0, 7)):  # one whose entries all failed
        write_part(folder, number, rows)
    (folder / "manifest.json").write_text(
        json.dumps({"version": "v1", "dim": DIM, "entries": "k", "parts": 3})
    )
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "uninote.json").write_text(json.dumps({"version": "v1", "dim": DIM, "encoder": {}}))
    return folder


class Watching(MemoryStore):
    """Remembers what was written, and how many earlier records were still in memory at each call."""

    def __init__(self) -> None:
        super().__init__(DIM)
        self.ids: list[str] = []
        self.sizes: list[int] = []
        self.alive: list[int] = []
        self.earlier: list[weakref.ref[Record]] = []

    def upsert(self, records: Iterable[Record]) -> UpsertReport:
        batch = list(records)
        gc.collect()
        self.alive.append(sum(reference() is not None for reference in self.earlier))
        self.earlier += [weakref.ref(record) for record in batch]
        self.ids += [record.id for record in batch]
        self.sizes.append(len(batch))
        return super().upsert(batch)


@pytest.mark.slow
def test_every_record_is_loaded_once_and_few_are_in_memory(
    shards: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Watching()
    monkeypatch.setattr(embeddings, "BATCH", 3)
    monkeypatch.setattr(index, "open_store", lambda *_: store)
    assert build_index(shards, model, tmp_path / "index", MEMORY).count == 12
    assert store.ids == [f"{number}-{row}" for number, rows in ((0, 5), (2, 7)) for row in range(rows)]
    assert max(store.sizes) <= 3
    assert max(store.alive) <= 3  # the batch before, at most
    manifest = {"version": "v1", "dim": DIM, "rendering": RENDERING}
    manifest |= {"precision": "single", "index": "hnsw", "store": "memory", "encoder": {}}
    assert json.loads((tmp_path / "index" / "index.json").read_text()) == manifest


def test_vectors_and_payloads_belong_to_their_rows(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "BATCH", 2)
    records = [r for batch in embeddings.read_records(embeddings.open_embeddings(shards)) for r in batch]
    expected = np.random.default_rng(2).normal(size=(7, DIM)).astype(np.float32)
    np.testing.assert_array_equal(np.stack([np.asarray(record.vector) for record in records[5:]]), expected)
    assert [record.payload["row"] for record in records[5:]] == list(range(7))
    assert {record.model_version for record in records} == {"v1"}


@pytest.fixture
def searcher() -> Searcher:
    """Return a searcher of an empty store."""
    made = object.__new__(Searcher)
    made.folder, made.version, made.store = Path("copy"), "v1", MemoryStore(DIM)
    made.encoder = cast(Any, SimpleNamespace(encode=lambda items: np.eye(len(items), DIM)))
    return made


def test_a_store_without_records_is_no_answer(searcher: Searcher) -> None:
    searcher.store.upsert([Record("b", np.ones(DIM), "note", "food", None, "v0")])
    with pytest.raises(StoreError, match=r"the store of copy holds no record of its model: copy the folder"):
        searcher.search(Item.of("x"))
    searcher.store.upsert([Record("a", np.ones(DIM), "image", "food", None, "v1")])
    assert searcher.search(Item.of("x")) == []


def test_a_category_of_no_record_gets_the_nearest(searcher: Searcher) -> None:
    searcher.store.upsert(
        [
            Record("a", np.ones(DIM), "note", "food", None, "v1"),
            Record("b", np.ones(DIM), "note", "fool", None, "v0"),
        ]
    )
    asked = searcher.unknown_categories(Item.of("x"), ["food", "fool", "xyz"])
    assert asked == [
        "no record has category 'fool'; did you mean 'food'?",
        "no record has category 'xyz'; there are 'food'",
    ]


def test_embeddings_of_another_model_are_refused(shards: Path, model: Path, tmp_path: Path) -> None:
    (model / "uninote.json").write_text(json.dumps({"version": "v2", "encoder": {}}))
    with pytest.raises(ConfigError, match=r"version v1.*version v2.*uninote embed --model"):
        build_index(shards, model, tmp_path / "index", MEMORY)
    assert not (tmp_path / "index").exists()


def test_unfinished_embeddings_are_refused(shards: Path, model: Path, tmp_path: Path) -> None:
    (shards / "part-00001.parquet").unlink()
    with pytest.raises(StoreError, match=r"2 of 3 shards.*again"):
        build_index(shards, model, tmp_path / "index", MEMORY)


def test_embeddings_of_another_rendering_are_refused(shards: Path, model: Path, tmp_path: Path) -> None:
    plan = json.loads((shards / "manifest.json").read_text())
    (shards / "manifest.json").write_text(json.dumps({**plan, "rendering": RENDERING + 1}))
    with pytest.raises(StoreError, match=rf"rendering {RENDERING + 1}.*rendering {RENDERING}: embed again"):
        build_index(shards, model, tmp_path / "index", MEMORY)
    assert not (tmp_path / "index").exists()


def test_an_index_of_another_rendering_is_refused(shards: Path, model: Path, tmp_path: Path) -> None:
    build_index(shards, model, tmp_path / "index", MEMORY)
    manifest = tmp_path / "index" / "index.json"
    manifest.write_text(manifest.read_text().replace(f'"rendering": {RENDERING}', '"rendering": 9'))
    with pytest.raises(StoreError, match=r"rendering 9.*embed and index again"):
        Searcher(tmp_path / "index", load_settings())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": "v1", "dim": null}'])
def test_a_broken_manifest_is_no_embeddings(shards: Path, content: str) -> None:
    (shards / "manifest.json").write_text(content)
    with pytest.raises(StoreError, match="uninote embed"):
        embeddings.open_embeddings(shards)


def test_a_folder_without_a_model_is_told(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not a saved UniNote model"):
        build_index(shards, tmp_path, tmp_path / "index", MEMORY)


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    from uninote.pipeline.embed import embed_shards

    other = tmp_path / "part-time.parquet"
    other.write_text("precious")
    (tmp_path / "deep").mkdir()
    embed_shards("v1", DIM, _entries(), tmp_path, lambda shards: [{} for _ in shards])
    assert other.read_text() == "precious"
    assert (tmp_path / "deep").is_dir()


def _entries() -> list[Any]:
    from uninote.items import Item
    from uninote.pipeline.embed import Entry

    return [Entry("a", "note", Item.of("text"), "", {})]
