"""Online mode at load: a real server process, a gallery of 100,000 samples, and an open-loop load.

    python benchmarks/online_load.py --rate 500 --seconds 30 --repeat 3 --out work/online
    python benchmarks/online_load.py --encoder compact --rate 20 --out work/online

With `--encoder stub` the vector of a note is a row of a precomputed matrix that its title names; it passes the
queue and the batches like an encoder's. Everything else is the product: HTTP, keys, the match with the gallery,
and the commit to disk before the answer. Afterwards every answer is compared with the database: as many notes
as were acknowledged, and of a part of them the matches of a brute-force comparison. `--below` measures ingest
and match without HTTP as well.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from corpus_vectors import Corpus
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from uninote.errors import ItemError
from uninote.evaluation.results import environment, write_json, write_result
from uninote.items import Item, Note
from uninote.service.db.engine import Database
from uninote.service.domain import gallery, thresholds, versions
from uninote.service.domain.gallery import NewSample
from uninote.service.domain.ingest import ingest
from uninote.service.domain.matcher import Matcher
from uninote.service.domain.outcome import Incoming
from uninote.service.domain.vectors import half_units
from uninote.service.stress.bodies import bodies
from uninote.service.stress.client import Target
from uninote.service.stress.load import put_load
from uninote.service.stress.report import Report, report
from uninote.service.stress.schedule import schedule
from uninote.settings import load_settings
from uninote.tasks.definitions import Task

RESULTS = Path(__file__).parent / "results"
DIM, CATEGORIES, VECTORS = 512, 10, 20_000
HIT_PART = 0.02  # of the notes that reach a threshold
VERSION = "stub"
WORDS = " ".join(["words"] * 40)


def precomputed(samples: int) -> NDArray[np.float32]:
    """Vectors of notes [VECTORS, DIM], drawn from the same distribution as the gallery."""
    return Corpus(samples, DIM).queries(VECTORS)


def prepare(database: Database, samples: int) -> None:
    """A gallery of that size and thresholds that `HIT_PART` of the notes reach; does nothing when there."""
    model = database.run(lambda s: versions.ensure(s, VERSION, DIM, "bench"))
    if database.run(gallery.categories):
        return
    names = [f"category {number}" for number in range(CATEGORIES)]
    for name in names:
        database.run(lambda s: gallery.put_category(s, name, "bench"))
    best = np.full(1000, -1.0)
    queries = precomputed(samples)[: len(best)]
    for start, rows in Corpus(samples, DIM).chunks():
        new = [
            NewSample(
                names[(start + n) % CATEGORIES], "text", Item.of(f"sample {start + n}"), {model.version: row}
            )
            for n, row in enumerate(rows)
        ]
        database.run(lambda s: gallery.add_samples(s, new, "bench"))
        best = np.maximum(best, (queries @ rows.T).max(axis=1))
        print("samples", start + len(rows), file=sys.stderr)
    value = float(np.quantile(best, 1 - HIT_PART).round(3))
    for name in names:
        database.run(lambda s: thresholds.put(s, name, model.version, value, "bench"))


class Backbone:
    def cost(self, item: Item, instruction: str = "") -> int:
        return 50


class Precomputed:
    """Gives the row of the matrix that the first word of the item's text names."""

    version = VERSION
    dims = (DIM,)
    backbone = Backbone()
    uses_instructions = False

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._rows = rows

    def encode(
        self, items: Sequence[Item], *, task: Task | None, failures: dict[int, ItemError]
    ) -> NDArray[np.float32]:
        return self._rows[[place_of(item.texts[0]) for item in items]]


def place_of(title: str) -> int:
    return int(title.split(" ", 1)[0]) if title[:1].isdigit() else 0  # the probe of readiness is no note


def serve(folder: Path, samples: int, options: dict[str, Any]) -> None:
    """The child: the service with the stub as its encoder."""
    from uninote.service.api.server import serve as run

    rows = precomputed(samples)
    sys.exit(run(load_settings(service=options), folder, lambda _: Precomputed(rows), "127.0.0.1", 0))


class Server:
    """A service process; `with` ends it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        log = folder / "server.log"
        with log.open("wb") as out:
            self.process = subprocess.Popen(command, stderr=out, stdout=subprocess.DEVNULL)
        self.url, deadline = "", time.monotonic() + 300
        while not self.url and self.process.poll() is None and time.monotonic() < deadline:
            for line in log.read_text().splitlines():
                if '"event": "serving"' in line:
                    self.url = f"http://127.0.0.1:{json.loads(line)['port']}"
            time.sleep(0.05)
        if not self.url:
            self.process.kill()
            raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")
        while True:  # it says where before it listens
            with suppress(OSError):
                with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2]))):
                    break
            time.sleep(0.05)
        self.key = (folder / "admin.key").read_text().strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(120)


def cpu_seconds(process: psutil.Process) -> dict[str, float]:
    """Of the service and of the database server with its children."""
    found = {"service": sum(process.cpu_times()[:2]), "database": 0.0}
    for one in psutil.process_iter(["name", "cpu_times"]):
        if one.info["name"] == "postgres" and one.info["cpu_times"]:
            found["database"] += sum(one.info["cpu_times"][:2])
    return found


def one_run(server: Server, rate: float, seconds: float, make: Callable[[int], bytes], seed: int) -> Report:
    target = Target.of(server.url, "/v1/notes", server.key)
    return report(put_load(target, schedule(rate, seconds, "poisson", seed), make))


def note_bodies(run: str, rows: int) -> Callable[[int], bytes]:
    return lambda i: json.dumps(
        {"id": f"{run}-{i}", "title": f"{i % rows} {run}", "body": WORDS}, separators=(",", ":")
    ).encode()


def check(database: Database, run: str, answered: int, samples: int) -> dict[str, int]:
    """Differences between what was acknowledged and what is stored, and of 200 notes to brute force."""

    def rows(session: Session, statement: str) -> list[Any]:
        return list(session.connection().exec_driver_sql(statement, {"run": f"{run}-%"}))

    names = [
        row[0]
        for row in database.run(lambda s: rows(s, "SELECT id FROM service.notes WHERE id LIKE %(run)s"))
    ]
    pairs = database.run(
        lambda s: rows(
            s,
            "SELECT m.note_id, s.payload->'parts'->0->>'text', m.score, m.threshold FROM service.matches m "
            "JOIN service.samples s ON s.id = m.sample_id WHERE m.note_id LIKE %(run)s",
        )
    )
    limit = database.run(lambda s: rows(s, "SELECT max(value) FROM service.thresholds"))[0][0]
    found: dict[str, set[int]] = {}
    for name, text, *_ in pairs:
        found.setdefault(name, set()).add(int(text.split()[1]))
    looked = sorted(found)[:100] + sorted(set(names) - found.keys())[:100]
    places = [int(name.rsplit("-", 1)[1]) % VECTORS for name in looked]
    queries = half_units(precomputed(samples)[places], DIM).astype(np.float64)
    expected: list[set[int]] = [set() for _ in looked]
    for start, rows_ in Corpus(samples, DIM).chunks():
        scores = (queries @ half_units(rows_, DIM).astype(np.float64).T).round(6)
        for row, column in zip(*np.nonzero(scores >= limit), strict=True):
            expected[row].add(start + int(column))
    wrong = sum(found.get(name, set()) != want for name, want in zip(looked, expected, strict=True))
    return {
        "stored": len(names),
        "missing": max(0, answered - len(names)),
        "matches": len(pairs),
        "wrong": wrong,
    }


def below_http(folder: Path, samples: int, seconds: float, batch: int) -> dict[str, float]:
    """Notes per second of ingest and match called directly by one thread, `batch` notes a transaction."""
    vectors = precomputed(samples)
    run, count, spent = f"below-{time.time_ns():x}", 0, []
    with Database(folder / "postgres") as database:
        matcher = Matcher()
        database.run(matcher.snapshot)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            one = time.monotonic()
            notes = [
                Incoming(
                    Note(f"{run}-{count + n}", title=f"{count + n}", body=WORDS),
                    {VERSION: vectors[(count + n) % VECTORS]},
                )
                for n in range(batch)
            ]
            ingest(database, matcher, notes, "bench")
            spent.append(time.monotonic() - one)
            count += batch
        rate = count / (time.monotonic() - began)
    return {
        "batch": batch,
        "notes_per_second": round(rate, 1),
        "p99_ms": round(1000 * float(np.percentile(spent, 99)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("work/online"))
    parser.add_argument("--options", type=json.loads, default={"batch_wait_ms": 0}, help="of the service")
    parser.add_argument("--below", action="store_true", help="measure ingest and match below HTTP, too")
    parser.add_argument("--keep", action="store_true", help="write no result files")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = arguments.out
    if arguments.child:
        serve(folder, arguments.samples, arguments.options)
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "uninote.json").write_text(json.dumps({"version": VERSION}))
    with Database(folder / "postgres") as database:
        prepare(database, arguments.samples)
    if arguments.below:
        for batch in (1, 4, 16, 64):
            print(below_http(folder, arguments.samples, 5, batch), flush=True)
    command = [sys.executable, __file__, "--child", "--out", str(folder), "--samples", str(arguments.samples)]
    with Server([*command, "--options", json.dumps(arguments.options)], folder) as server:
        process = psutil.Process(server.process.pid)
        one_run(server, 50, 2, note_bodies(f"warm-{time.time_ns():x}", VECTORS), 1)
        for number in range(arguments.repeat):
            run = f"run-{time.time_ns():x}"
            before, load = cpu_seconds(process), os.getloadavg()[0]
            found = one_run(server, arguments.rate, arguments.seconds, note_bodies(run, VECTORS), number)
            after = cpu_seconds(process)
            used = {name: round(after[name] - before[name], 2) for name in after}
            print(found.text(), {"load_average": load, "cpu_seconds": used}, sep="\n", flush=True)
            with Database(folder / "postgres") as database:
                print(check(database, run, found.ok, arguments.samples), flush=True)


if __name__ == "__main__":
    main()
