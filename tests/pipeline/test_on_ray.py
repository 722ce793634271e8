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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from uninote.annotate.cache import AnnotationCache
from uninote.annotate.describe_openai import OpenAIDescriber
from uninote.annotate.factory import make_reader
from uninote.annotate.spread import Outcome
from uninote.cli import app
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.errors import ConfigError, ItemError, ModelError
from uninote.items import Item, Note, Picture
from uninote.pipeline import embed
from uninote.pipeline.embed import Entry, catalogue, embed_entries
from uninote.pipeline.notes import annotate
from uninote.pipeline.on_ray.actors import over_cluster, resources, room
from uninote.pipeline.on_ray.annotate import annotate_batches
from uninote.pipeline.on_ray.embed import embed_on_cluster
from uninote.pipeline.on_ray.session import connected
from uninote.pipeline.on_ray.shared import require_folders
from uninote.settings import Settings, load_settings

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]  # processes start slowly on a machine that is busy
QUIET_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # nodes of a cluster on this machine talk over loopback
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "0" * 64,
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",  # workers would wait for everything else on a busy machine
    "RAY_health_check_period_ms": "1000",  # a third of the default: a dead node is noticed sooner
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
        """Wait until both nodes have joined."""
        if self.other is None:
            self.other = self.cluster.add_node(**self.node)

    def kill_other(self) -> None:
        node, self.other = self.other, None
        self.cluster.remove_node(node, allow_graceful=False)

    def busy_nodes(self) -> set[str]:
        """Return the ids of the nodes where an actor is alive."""
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
    return load_settings(encoder={"max_tokens": 256, "device": "cpu"})


@pytest.fixture(scope="module")
def notes(sample: Path, settings: Settings) -> list[Note]:
    return read_notes(sample, settings.corpus, SkipReport())


@pytest.fixture(scope="module")
def model(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Encoder.compact(settings.encoder).save(tmp_path_factory.mktemp("model"))


class Killer(threading.Thread):
    """Kills the second node in the middle of a run: when both nodes work and some jobs are done.

    Should the second node come to work late, it is killed when half of the jobs are done.
    """

    def __init__(self, nodes: TwoNodes, jobs: int, done: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.nodes, self.jobs, self.done = nodes, jobs, done
        self.killed_at = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            done = self.done()
            if done >= self.jobs // 2 or (done >= 2 and len(self.nodes.busy_nodes()) == 2):
                self.killed_at = done
                self.nodes.kill_other()
                return

    def __enter__(self) -> Killer:
        self.nodes.complete()
        self.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.over.set()
        self.join()
        if kind is None:
            assert 2 <= self.killed_at < self.jobs, "the run was over too soon to be disturbed"


def content(folder: Path) -> list[tuple[pa.Table, dict[bytes, bytes]]]:
    """Return every shard without its vectors, and its metadata."""
    tables = [pq.read_table(part) for part in sorted(folder.glob("part-*.parquet"))]
    return [(table.drop_columns("vector"), table.schema.metadata) for table in tables]


def vectors(folder: Path) -> np.ndarray[Any, Any]:
    parts = [pq.read_table(part)["vector"] for part in sorted(folder.glob("part-*.parquet"))]
    return np.concatenate([column.combine_chunks().flatten().to_numpy() for column in parts])


def told(failures: dict[str, ItemError]) -> dict[str, str]:
    return {id: str(error) for id, error in failures.items()}


def test_embedding_survives_a_killed_node_and_equals_the_local_run(
    nodes: TwoNodes,
    notes: list[Note],
    model: Path,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embed, "SHARD", 6)
    broken = [Entry(f"bad {n}", "image", Item.of(Picture.from_bytes(b"bad %d" % n)), "", {}) for n in (0, 1)]
    entries = [broken[0], *catalogue(notes[:14]), broken[1]]
    here, there = tmp_path / "here", tmp_path / "there"
    local = embed_entries(Encoder.load(model, device="cpu"), entries, here)
    assert set(local) == {"bad 0", "bad 1"}

    # The run resumes one that was killed after its first two shards.
    there.mkdir()
    for name in ("manifest.json", "part-00000.parquet", "part-00001.parquet"):
        shutil.copy2(here / name, there / name)
    kept = {part: part.stat().st_mtime_ns for part in there.glob("part-*.parquet")}
    jobs = len(list(here.glob("part-*.parquet"))) - len(kept)
    with Killer(nodes, jobs, lambda: len(list(there.glob("part-*.parquet"))) - len(kept)):
        failures = embed_on_cluster(model, entries, there, settings)

    assert told(failures) == told(local)
    assert content(there) == content(here)
    # Rows of a tower are kept as float16, and a last bit may depend on the batch.
    np.testing.assert_allclose(vectors(there), vectors(here), atol=1e-4)
    assert (there / "manifest.json").read_text() == (here / "manifest.json").read_text()
    assert {path.suffix for path in there.iterdir()} == {".parquet", ".json"}
    assert {part: part.stat().st_mtime_ns for part in kept} == kept


def test_annotating_survives_a_killed_node_and_fills_the_same_cache(
    nodes: TwoNodes, notes: list[Note], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uninote.annotate.spread.BATCH", 2)
    settings = load_settings(annotate={"ocr_max_side": 320, "workers": 1})
    reader = make_reader(settings.annotate)
    assert reader
    broken = Picture.from_bytes(b"no picture")
    unread = [
        note.with_pictures((*(replace(picture, ocr=None) for picture in note.pictures[:3]), broken))
        for note in notes[:8]
    ]
    here, there = tmp_path / "here", tmp_path / "there"
    told_here, told_there, done = SkipReport(), SkipReport(), list[Outcome]()
    local = annotate(unread, settings, here, told_here, False)

    def counted(*arguments: Any) -> Iterator[Outcome]:
        for outcome in annotate_batches(*arguments):
            done.append(outcome)
            yield outcome

    digests = {picture.digest for note in unread for picture in note.pictures}
    with Killer(nodes, -(-len(digests) // 2), lambda: len(done)):
        spread = annotate(unread, settings, there, told_there, False, counted)
    assert spread == local
    assert list(told_there) == list(told_here)
    assert len(told_there) == len(unread)
    with AnnotationCache(here) as one, AnnotationCache(there) as other:
        assert len(one.get(reader.name, digests)) == len(digests) - 1
        assert one.get(reader.name, digests) == other.get(reader.name, digests)

    # Run again: only what failed is tried again.
    batches: list[list[Picture]] = []

    def refusing(given: Sequence[list[Picture]], *_: object) -> Iterator[Outcome]:
        batches.extend(given)
        return iter(())

    assert annotate(unread, settings, there, SkipReport(), False, refusing) == local
    assert batches == [[broken]]


def test_the_commands_work_on_a_cluster_and_the_index_loads_the_result(
    nodes: TwoNodes, sample: Path, model: Path, tmp_path: Path
) -> None:
    def command(*words: str | Path) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*map(str, words), "--json", "--quiet"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    few = sample.parent / "few.jsonl"
    few.write_text("".join(sample.read_text().splitlines(keepends=True)[:3]))
    ray = ("--ray", nodes.address)
    annotated, folder, cache = tmp_path / "annotated.jsonl", tmp_path / "embeddings", tmp_path / "cache"
    assert command("annotate", few, "--out", annotated, "--cache", cache, *ray)["count"] == 3
    made = command("embed", annotated, "--model", model, "--out", folder, *ray)
    assert made["failed"] == 0
    loaded = command(
        "index", folder, "--model", model, "--out", tmp_path / "index", "--set", "store.address=memory"
    )
    assert loaded["count"] == made["count"] > 3


class Refusal:
    """Work that travels by value: workers cannot import this module."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, job: int) -> int:
        if job == 1:
            raise self.error
        return job


def test_errors_of_workers_arrive(nodes: TwoNodes) -> None:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with pytest.raises(ConfigError, match="this machine is odd"):
        list(over_cluster(Refusal(ConfigError("this machine is odd")), [0, 1], resources("cpu")))
    with pytest.raises(ModelError, match=r"quite unforeseen.*run again"):
        list(over_cluster(Refusal(RuntimeError("quite unforeseen")), [0, 1], resources("cpu")))
    with pytest.raises(ConfigError, match="the Ray cluster has none"):
        resources("cuda:0")
    assert room(resources("auto")) == room({"num_cpus": 1}) >= 1


LOCAL = """
import json, sys
from pathlib import Path
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.pipeline.embed import catalogue
from uninote.pipeline.on_ray.embed import embed_on_cluster
from uninote.pipeline.on_ray.session import connected
from uninote.settings import load_settings

notes, model, out = map(Path, sys.argv[1:])
settings = load_settings()
entries = catalogue(read_notes(notes, settings.corpus, SkipReport())[:2])
with connected("local"):
    import psutil  # comes with Ray
    failures = embed_on_cluster(model, entries, out, settings)
    family = psutil.Process().children(recursive=True)
    sockets = [each for process in family for each in process.net_connections("tcp")]
    listening = {each.laddr.ip for each in sockets if each.status == "LISTEN"}
print(json.dumps([len(entries), len(failures), sorted(listening), [process.pid for process in family]]))
"""


def test_a_local_cluster_listens_on_loopback_only_and_is_gone_afterwards(
    sample: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LOCAL, str(sample), str(model), str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    entries, failed, listening, family = json.loads(done.stdout.splitlines()[-1])
    assert failed == 0
    assert sum(pq.read_metadata(part).num_rows for part in out.glob("*.parquet")) == entries
    assert listening
    assert {address.removeprefix("::ffff:") for address in listening} <= {"127.0.0.1", "::1"}
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in family):
        assert time.monotonic() < deadline, "processes were left behind"
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("address", "fix"),
    [
        ("ray://host:10001", "local, auto or HOST:PORT"),
        ("nonsense", "local, auto or HOST:PORT"),
        ("127.0.0.1:1", "no Ray cluster answers"),
        ("127.0.0.1:99999", "no Ray cluster answers"),
    ],
)
def test_an_address_without_a_cluster_is_told(address: str, fix: str) -> None:
    with pytest.raises(ConfigError, match=fix), connected(address):
        pass


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"uninote\[ray\]"), connected("local"):
        pass


def test_a_remote_describer_stays_where_its_key_is() -> None:
    describer = OpenAIDescriber("http://127.0.0.1:1/v1", "model", "secret")
    assert list(annotate_batches([], describer, load_settings().corpus)) == []


def test_a_folder_that_one_machine_lacks_is_no_bad_picture(tmp_path: Path) -> None:
    picture = Picture("0" * 64, tmp_path / "gone" / "a.png")
    with pytest.raises(ConfigError, match=r"gone.*share"):
        require_folders([picture])
    (tmp_path / "gone").mkdir()
    require_folders([picture, Picture.from_bytes(b"x")])
