"""Annotating and embedding on a real Ray cluster of two nodes, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uninote.annotate.cache import AnnotationCache
from uninote.annotate.describe_openai import OpenAIDescriber
from uninote.annotate.factory import make_reader
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.errors import ConfigError, ModelError
from uninote.items import Item, Note, Picture
from uninote.pipeline import embed
from uninote.pipeline.embed import Entry, catalogue, embed_entries
from uninote.pipeline.notes import annotate
from uninote.pipeline.on_ray.annotate import annotate_batches
from uninote.pipeline.on_ray.embed import embed_on_cluster
from uninote.pipeline.on_ray.session import connected
from uninote.settings import Settings, load_settings

pytestmark = pytest.mark.timeout(300)
ENTRY = [sys.executable, "-c", "from uninote.cli import main; main()"]
QUIET_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes of a cluster on this machine talk over loopback
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_raylet_start_wait_time_s": "120",
}


class TwoNodes:
    """A cluster of a head, where the driver is, and one more node; one core each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.node = {"num_cpus": 1, "object_store_memory": 80 << 20, "node_ip_address": "127.0.0.1"}
        head = self.node | {"include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address: str = self.cluster.address
        self.other: Any = None

    def complete(self) -> None:
        """Both nodes are there."""
        if self.other is None:
            self.other = self.cluster.add_node(**self.node)

    def kill_other(self) -> None:
        node, self.other = self.other, None
        self.cluster.remove_node(node, allow_graceful=False)

    def busy_nodes(self) -> set[str]:
        """Ids of the nodes where an actor is alive."""
        import ray

        actors = ray._private.state.actors().values()
        return {actor["Address"]["NodeID"] for actor in actors if actor["State"] == "ALIVE"}


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        for name, value in QUIET_RAY.items():
            patch.setenv(name, value)
        patch.setenv("RAY_TMPDIR", folder)
        (Path(folder) / "ray").mkdir()
        import ray

        nodes = TwoNodes()
        try:
            nodes.complete()
            with connected(nodes.address):
                yield nodes
        finally:
            ray.shutdown()
            nodes.cluster.shutdown()


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(encoder={"max_tokens": 48, "device": "cpu"})


@pytest.fixture(scope="module")
def notes(sample: Path, settings: Settings) -> list[Note]:
    return read_notes(sample, settings.corpus, SkipReport())


@pytest.fixture(scope="module")
def model(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Encoder.compact(settings.encoder).save(tmp_path_factory.mktemp("model"))


class Killer(threading.Thread):
    """Kills the second node once both nodes work and `moment()` is true; `error` says why it could not."""

    def __init__(self, nodes: TwoNodes, moment: Callable[[], bool]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.moment = nodes, moment
        self.seen: list[set[str]] = []
        self.killed_at: int | None = None
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.seen.append(self.nodes.busy_nodes())
            if len(self.seen[-1]) == 2 and self.moment():
                self.nodes.kill_other()
                self.killed_at = time.monotonic_ns()
                return

    def __enter__(self) -> Killer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()


def content(folder: Path) -> list[tuple[pa.Table, dict[bytes, bytes]]]:
    """Every shard without its vectors, and its metadata."""
    tables = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    return [(table.drop_columns("vector"), table.schema.metadata) for table in tables]


def vectors(folder: Path) -> np.ndarray[Any, Any]:
    parts = [pq.read_table(part)["vector"] for part in sorted(folder.glob("part-*.parquet"))]
    return np.concatenate([column.combine_chunks().flatten().to_numpy() for column in parts])


BROKEN = Entry("bad", "image", Item.of(Picture.from_bytes(b"no picture")), "", {})


def test_embedding_survives_a_killed_node_and_equals_the_local_run(
    nodes: TwoNodes,
    notes: list[Note],
    model: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embed, "SHARD", 6)
    nodes.complete()
    entries = [BROKEN, *catalogue(notes)]
    there, here = tmp_path / "there", tmp_path / "here"

    def written() -> int:
        return len(list(there.glob("part-*.parquet")))

    with Killer(nodes, lambda: written() >= 3) as killer:
        failures = embed_on_cluster(model, entries, there, settings)
    assert killer.killed_at, killer.seen
    after = [part for part in there.glob("part-*.parquet") if part.stat().st_mtime_ns and part.exists()]
    assert len(after) == -(-len(entries) // 6)
    local = embed_entries(Encoder.load(model, device="cpu"), entries, here)
    assert {id: str(error) for id, error in failures.items()} == {id: str(e) for id, e in local.items()}
    assert set(failures) == {"bad"}
    assert content(there) == content(here)
    np.testing.assert_allclose(vectors(there), vectors(here), atol=1e-6)
    assert (there / "manifest.json").read_text() == (here / "manifest.json").read_text()
    assert {path.suffix for path in there.iterdir()} == {".parquet", ".json"}

    # Run again, with one shard lost: only that one is made, and what failed is still told.
    lost, *kept = sorted(there.glob("part-*.parquet"), reverse=True)
    lost.unlink()
    before = [part.stat().st_mtime_ns for part in kept]
    assert set(embed_on_cluster(model, entries, there, settings)) == {"bad"}
    assert content(there) == content(here)
    assert [part.stat().st_mtime_ns for part in kept] == before
