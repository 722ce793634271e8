"""Models as wide as Qwen3-VL 2B and 8B, and bad vectors, through embed, index, search and serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.encoder.wide_backbone import WIDE, WideSettings
from tests.in_process import uninote
from tests.service.http.running import Running, start
from tests.service.http.test_notes import ok

from uninote import backbones
from uninote.encoder import Encoder
from uninote.store.embedded import EmbeddedServer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from uninote.cli import main; main()"]
TITLES = ["red car by the sea", "rain in the street", "old house", "a nan", "blue boat"]
NAMES = [f"n{number}" for number in range(len(TITLES))]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    file = tmp_path / "notes.jsonl"
    lines = [json.dumps({"id": name, "title": title}) for name, title in zip(NAMES, TITLES, strict=True)]
    file.write_text("\n".join(lines))
    return file


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process and those it starts know the backbone by an entry point."""
    about = tmp_path / "site" / "wide_backbone-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wide-backbone\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[uninote.backbones]\nwide = {WIDE}\n")
    monkeypatch.syspath_prepend(about.parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(about.parent), str(ROOT), str(ROOT / "src")]))
    monkeypatch.setenv("UNINOTE_CORPUS__MIN_PICTURES", "0")
    monkeypatch.chdir(tmp_path)
    backbones.installed.cache_clear()
    yield
    backbones.installed.cache_clear()


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(environment: None) -> Run:
    def call(*words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = uninote(*words)
        assert done.returncode == code, done.stderr
        return done

    return call


def saved(folder: Path, width: int, seed: int = 0) -> Encoder:
    encoder = Encoder.build(WideSettings(width=width, device="cpu"), seed=seed)
    encoder.save(folder)
    return encoder


@contextmanager
def served(index: Path, *options: str) -> Iterator[Running]:
    command = [*COMMAND, "serve", "--index", str(index), "--port", "0", *options]
    running = start(command, index, index / "log")
    try:
        yield running
    finally:
        code = running.stop()
    assert code == 0


def stored(index: Path) -> list[tuple[Any, ...]]:
    """Return name, dimension and precision of the collection, and the index over it."""
    with EmbeddedServer(index / "postgres") as server, psycopg.connect(server.address) as connection:
        return connection.execute("SELECT name, dim, precision FROM uninote.collections").fetchall()


@pytest.mark.parametrize("width", [2048, 4096])
def test_a_wide_model_is_stored_at_2048_dimensions_in_16_bits_by_default(
    run: Run, notes: Path, tmp_path: Path, width: int
) -> None:
    encoder = saved(tmp_path / "model", width)
    model, index = ["--model", "model"], tmp_path / "index"
    embedded = run("embed", notes, *model, "--json")
    assert json.loads(embedded.stdout) == {"embeddings": "embeddings", "count": 4, "failed": 1}
    assert "left out: n3: its vector has NaN" in embedded.stderr
    run("index", "embeddings", *model, "--notes", notes)
    kept = json.loads((index / "index.json").read_text())
    assert {key: kept[key] for key in ("dim", "precision", "index", "store")} == {
        "dim": 2048,
        "precision": "half",
        "index": "hnsw",
        "store": "embedded",
    }
    assert stored(index) == [("items", 2048, "half")]
    found = json.loads(run("search", "--index", index, "--text", TITLES[1], "--why", notes, "--json").stdout)
    assert (found[0]["id"], found[0]["score"]) == ("n1", pytest.approx(1, abs=1e-3))
    assert found[0]["why"]["score"] == pytest.approx(1, abs=1e-3)
    other = run("search", "--index", index, "--text", "x", "--set", "encoder.dims=[64]", code=2)
    assert "encoder.dims=2048, not 64" in other.stderr
    other = run("serve", "--index", index, "--port", "0", "--set", "store.precision=single", code=2)
    assert "store.precision=half, not single" in other.stderr
    with served(index) as running, running.client() as client:
        (line,) = (one for one in running.logs() if one["event"] == "notes stored")
        assert (line["created"], line["rejected"], line["reused"]) == (4, 1, 4)
        assert any(one.get("note") == "n3" and "NaN" in one["reason"] for one in running.logs())
        hits = ok(client.post("/v1/search", json={"query": {"text": TITLES[1]}, "k": 2}))["hits"]
        assert (hits[0]["note_id"], hits[0]["score"]) == ("n1", pytest.approx(1, abs=1e-3))
        (version,) = ok(client.get("/v1/model-versions"))["versions"]
        assert (version["version"], version["dim"]) == (encoder.version, 2048)


def test_a_second_wide_model_is_rolled_out_and_bad_vectors_fail_alone(
    run: Run, notes: Path, tmp_path: Path
) -> None:
    first, second = saved(tmp_path / "model", 512), saved(tmp_path / "next", 4096, seed=1)
    run("embed", notes, "--model", "model")
    run("index", "embeddings", "--model", "model", "--notes", notes)
    index = tmp_path / "index"
    (index / "models").mkdir()
    (tmp_path / "next").rename(index / "models" / "next")
    with served(index) as running, running.client() as client:
        added = ok(client.post("/v1/model-versions", json={"folder": "next"}))
        assert (added["version"], added["dim"]) == (second.version, 2048)
        sent = [
            {"id": "m0", "title": "green hat"},
            {"id": "m1", "title": "nan"},
            {"id": "m2", "title": "cup"},
        ]
        outcomes = ok(client.post("/v1/notes/batch", json={"notes": sent}))["outcomes"]
        assert [one["status"] for one in outcomes] == ["created", "rejected", "created"]
        assert "NaN" in outcomes[1]["error"]["message"]
        answer = client.post("/v1/embeddings", json={"model": "uninote", "input": ["good", "a nan"]})
        assert answer.status_code == 422
        assert "input.1: its vector has NaN" in answer.json()["error"]["message"]
        vectors = ok(client.post("/v1/embeddings", json={"model": second.version, "input": ["green hat"]}))
        assert len(vectors["data"][0]["embedding"]) == 2048
    with served(index) as running, running.client() as client:  # again: dimensions are those of the database
        states = {one["version"]: one["dim"] for one in ok(client.get("/v1/model-versions"))["versions"]}
        assert states == {first.version: 512, second.version: 2048}
    refused = run("serve", "--index", index, "--port", "0", "--set", "store.dims=1024", code=2).stderr
    assert "store.dims=512, not 1024" in refused


def test_all_dimensions_of_the_widest_model_are_stored_exactly_where_asked_for(
    run: Run, notes: Path, tmp_path: Path
) -> None:
    saved(tmp_path / "model", 4096)
    model, index = ["--model", "model"], tmp_path / "index"
    refused = run("embed", notes, *model, "--set", "store.dims=4096", "--set", "store.index=hnsw", code=2)
    assert "set store.dims to one of 64, 512, 1024, 2048, or set store.index=exact" in refused.stderr
    assert not (tmp_path / "embeddings").exists()
    run("embed", notes, *model, "--set", "store.dims=4096")
    run("index", "embeddings", *model, "--notes", notes, "--set", "store.dims=4096")
    assert json.loads((index / "index.json").read_text())["index"] == "exact"
    found = json.loads(run("search", "--index", index, "--text", TITLES[0], "--json").stdout)
    assert (found[0]["id"], found[0]["score"]) == ("n0", pytest.approx(1, abs=1e-5))
    with served(index) as running, running.client() as client:
        hits = ok(client.post("/v1/search", json={"query": {"text": TITLES[0]}, "k": 1}))["hits"]
        assert hits[0]["note_id"] == "n0"
        assert ok(client.get("/v1/model-versions"))["versions"][0]["dim"] == 4096
    refused = run("db", "index", "--index", index, code=2).stderr
    assert "holds 4000 dimensions, not 4096" in refused
    run("db", "index", "--index", index, "--form", "binary")


def test_an_index_leaves_bad_rows_out_by_name_and_cuts_the_rest(
    run: Run, notes: Path, tmp_path: Path
) -> None:
    encoder = saved(tmp_path / "model", 512)
    run("embed", notes, "--model", "model", "--set", "encoder.dims=[512]")
    part = tmp_path / "embeddings" / "part-00000.parquet"
    table = pq.read_table(part)
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 512).copy()
    vectors[1, 7] = np.nan
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), 512)
    pq.write_table(table.set_column(table.schema.get_field_index("vector"), "vector", column), part)
    done = run("index", "embeddings", "--model", "model", "--set", "store.dims=64", "--json")
    assert json.loads(done.stdout) == {"index": "index", "count": 3, "failed": 1}
    assert "left out: n1: the vector has NaN or infinite values" in done.stderr
    assert stored(tmp_path / "index") == [("items", 64, "single")]
    found = json.loads(run("search", "--index", "index", "--text", TITLES[0], "--json").stdout)
    assert [found[0]["id"], found[0]["score"]] == ["n0", pytest.approx(1, abs=1e-6)]
    again = run("index", "embeddings", "--model", "model", "--set", "store.dims=512", code=2)
    assert "store.dims=64, not 512" in again.stderr
    run("index", "embeddings", "--model", "model")  # what the folder keeps
    other = run("search", "--index", "index", "--text", "x", "--set", "encoder.max_tokens=64", code=2)
    assert "encoder.max_tokens of a saved model cannot be changed" in other.stderr
    assert encoder.dims[-1] == 512
