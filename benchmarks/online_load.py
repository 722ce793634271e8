"""Load test of online ingest: a real server process, a gallery of 100,000 samples, and an open-loop load.

    python benchmarks/online_load.py --rate 500 --seconds 30 --repeat 3 --out work/online
    python benchmarks/online_load.py --encoder compact --rates 5 10 20 40 --out work/online-compact

With `--encoder stub` the vector of a note is a row of a precomputed matrix that its title names; it passes
the queue and the batches like an encoder's. Everything else is the product: HTTP, keys, the match with the
gallery, and the commit to disk before the answer. Afterwards the answers are compared with the database: as
many notes as were acknowledged, and of 200 of them the matches of a brute-force comparison. `--below` first
measures ingest and match without HTTP. With `--encoder compact` the rates are tried in turn, with generated
texts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from corpus_vectors import Corpus
from online_server import DIM, VECTORS, VERSION, Server, compact_command, precomputed, stub_command
from sqlalchemy.orm import Session

from uninote.environment import environment
from uninote.evaluation.results import write_json, write_result
from uninote.items import Item, Note
from uninote.loadtest.bodies import bodies, path, together
from uninote.loadtest.client import Target
from uninote.loadtest.load import put_load
from uninote.loadtest.report import Report, report
from uninote.loadtest.schedule import schedule
from uninote.service.db.engine import Database
from uninote.service.domain.base.vectors import exact_scores, float16_units
from uninote.service.domain.gallery import categories, thresholds, versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.gallery.samples import add_samples
from uninote.service.domain.notes.ingest import ingest
from uninote.service.domain.notes.ingest_types import Incoming

RESULTS = Path(__file__).parent / "results"
CATEGORIES = 10
HIT_PART = 0.02  # of the notes that reach a threshold
WORDS = " ".join(["words"] * 40)


def prepare(database: Database, samples: int) -> None:
    """Store a gallery of that size and thresholds that `HIT_PART` of the notes reach, if not stored yet."""
    model = database.transaction(lambda s: versions.ensure(s, VERSION, DIM, "bench"))
    if database.transaction(categories.listing):
        return
    names = [f"category {number}" for number in range(CATEGORIES)]
    for name in names:
        database.transaction(lambda s: categories.put_category(s, name, "bench"))
    best = np.full(1000, -1.0)
    queries = precomputed(samples)[: len(best)]
    for start, rows in Corpus(samples, DIM).chunks():
        new = [
            NewSample(
                names[(start + n) % CATEGORIES], "text", Item.of(f"sample {start + n}"), {model.version: row}
            )
            for n, row in enumerate(rows)
        ]
        database.transaction(lambda s: add_samples(s, new, "bench"))
        best = np.maximum(best, (queries @ rows.T).max(axis=1))
        print("samples", start + len(rows), file=sys.stderr)
    value = float(np.quantile(best, 1 - HIT_PART).round(3))
    for name in names:
        database.transaction(lambda s: thresholds.put(s, name, model.version, value, "bench"))


def cpu_seconds(server: Server, folder: Path) -> dict[str, float]:
    """Return the seconds used so far by the service, and by the database server with its children."""
    postmaster = psutil.Process(int((folder / "postgres/cluster/postmaster.pid").read_text().split()[0]))
    found = {"service": sum(psutil.Process(server.process.pid).cpu_times()[:2]), "database": 0.0}
    for one in (postmaster, *postmaster.children()):
        with suppress(psutil.NoSuchProcess):  # it has just ended, and the postmaster's counter includes it
            found["database"] += sum(one.cpu_times()[:4])  # with those that ended
    return found


def one_run(
    server: Server, rate: float, seconds: float, make: Callable[[int], bytes], seed: int, batch: int = 1
) -> Report:
    target = Target.of(server.url, path("notes", batch), server.key)
    return report(put_load(target, schedule(rate, seconds, "poisson", seed), make))


def note_bodies(run: str, rows: int, batch: int = 1) -> Callable[[int], bytes]:
    def note(i: int) -> bytes:
        content = {"id": f"{run}-{i}", "title": f"{i % rows} {run}", "body": WORDS}
        return json.dumps(content, separators=(",", ":")).encode()

    return note if batch == 1 else together(note, batch)


def check(database: Database, run: str, answered: int, samples: int) -> dict[str, int]:
    """Count differences between acknowledged and stored notes, and of 200 notes to brute force."""

    def rows(session: Session, statement: str) -> list[Any]:
        return list(session.connection().exec_driver_sql(statement, {"run": f"{run}-%"}))

    names = [
        row[0]
        for row in database.transaction(
            lambda s: rows(s, "SELECT id FROM service.notes WHERE id LIKE %(run)s")
        )
    ]
    pairs = database.transaction(
        lambda s: rows(
            s,
            "SELECT m.note_id, s.payload->'parts'->0->>'text', m.score, m.threshold FROM service.matches m "
            "JOIN service.samples s ON s.id = m.sample_id WHERE m.note_id LIKE %(run)s",
        )
    )
    limit = database.transaction(lambda s: rows(s, "SELECT max(value) FROM service.thresholds"))[0][0]
    found: dict[str, set[int]] = {}
    for name, text, *_ in pairs:
        found.setdefault(name, set()).add(int(text.split()[1]))
    looked = sorted(found)[:100] + sorted(set(names) - found.keys())[:100]
    places = [int(name.rsplit("-", 1)[1]) % VECTORS for name in looked]
    queries = float16_units(precomputed(samples)[places], DIM)
    expected: list[set[int]] = [set() for _ in looked]
    for start, rows_ in Corpus(samples, DIM).chunks():
        stored = float16_units(rows_, DIM)
        scores = np.stack([exact_scores(stored, query) for query in queries])
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
    """Measure notes per second of ingest and match, called by one thread, `batch` notes a transaction."""
    vectors = precomputed(samples)
    run, count, spent = f"below-{time.time_ns():x}", 0, []
    with Database(folder / "postgres") as database:
        matcher = Matcher()
        database.transaction(matcher.snapshot)
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


def with_stub(arguments: argparse.Namespace) -> None:
    folder, samples, batch = arguments.out, arguments.samples, arguments.batch
    (folder / "model").mkdir(parents=True, exist_ok=True)
    (folder / "model" / "uninote.json").write_text(json.dumps({"version": VERSION}))
    with Database(folder / "postgres") as database:
        prepare(database, samples)
    below = [below_http(folder, samples, 5, batch) for batch in (1, 4, 16, 64)] if arguments.below else []
    print(*below, sep="\n", flush=True)
    runs = []
    with Server(stub_command(folder, samples, arguments.options), folder) as server:
        one_run(server, min(50, arguments.rate), 3, note_bodies(f"warm-{time.time_ns():x}", VECTORS), 1)
        for number in range(arguments.repeat):
            run = f"run-{time.time_ns():x}"
            before, load = cpu_seconds(server, folder), os.getloadavg()[0]
            make = note_bodies(run, VECTORS, batch)
            found = one_run(server, arguments.rate / batch, arguments.seconds, make, number, batch)
            after = cpu_seconds(server, folder)
            sent = batch * found.requests
            used = {name: round(1000 * (after[name] - before[name]) / sent, 3) for name in after}
            print(found.text(), flush=True)
            with Database(folder / "postgres") as database:
                checked = check(database, run, batch * found.ok, samples)
            about = {"load_average_before": round(load, 1), "cpu_ms_per_note": used, "checked": checked}
            print(about, flush=True)
            runs.append(found.as_json() | about)
    if arguments.keep:
        return
    command = f"python benchmarks/online_load.py --rate {arguments.rate:g} --seconds {arguments.seconds:g}"
    command += f" --repeat {arguments.repeat}" + (" --below" if arguments.below else "")
    name, sent = f"online-{arguments.rate:g}", f"notes at {arguments.rate:g} a second"
    if batch > 1:
        command, name, sent = f"{command} --batch {batch}", f"{name}-batch", f"{sent} in requests of {batch}"
    write(name, command, {"samples": samples, "batch": batch, "below_http": below, "runs": runs})
    what = f"{sent}, matched with {samples:,} samples, vectors precomputed"
    p99 = [one["latency_ms"].get("p99", float("inf")) for one in runs]
    write_result(
        RESULTS,
        f"{name}-p99",
        f"99th percentile of the latency of {what}; median of the runs, their range",
        round(statistics.median(p99), 2),
        goal=10,
        unit="ms",
        interval=(round(min(p99), 2), round(max(p99), 2)),
        command=command,
    )
    lost = sum(
        batch * (one["requests"] - one["ok"]) + one["checked"]["missing"] + one["checked"]["wrong"]
        for one in runs
    )
    text = f"Requests without success, notes missing or matched wrongly, of {what}"
    write_result(RESULTS, f"{name}-drops", text, lost, goal=0, unit="notes", command=command)


def with_compact(arguments: argparse.Namespace) -> None:
    """Try each rate in turn; a rate is held when nothing is dropped and answers keep up with requests."""
    folder = arguments.out
    if not (folder / "model" / "uninote.json").exists():
        from uninote.encoder import Encoder  # untrained is as fast as trained

        Encoder.compact().save(folder / "model")
    runs, held = [], 0.0
    with Server(compact_command(folder, {}), folder) as server:
        for rate in arguments.rates:
            before = passes(server)
            run = f"{time.time_ns():x}"
            found = one_run(server, rate, arguments.seconds, bodies("notes", [], run), 0)
            after = passes(server)
            busy = (after["seconds"] - before["seconds"]) / found.seconds
            size = (after["items"] - before["items"]) / max(1, after["count"] - before["count"])
            keeps = found.drops == 0 and found.seconds < 1.05 * arguments.seconds
            held = max(held, rate) if keeps else held
            about = {
                "rate": rate,
                "held": keeps,
                "encoder_busy": round(busy, 3),
                "notes_per_pass": round(size, 2),
            }
            print(found.text(), about, sep="\n", flush=True)
            runs.append(found.as_json() | about | {"load_average": round(os.getloadavg()[0], 1)})
    if arguments.keep:
        return
    rates = " ".join(f"{rate:g}" for rate in arguments.rates)
    command = (
        f"python benchmarks/online_load.py --encoder compact --rates {rates} --seconds {arguments.seconds:g}"
    )
    write("online-compact", command, {"runs": runs})
    text = (
        "Notes of 36 words a second that the service embeds and stores with the compact encoder, none dropped"
    )
    write_result(RESULTS, "online-compact-rate", text, held, unit="notes/s", command=command)


def passes(server: Server) -> dict[str, float]:
    """Forward passes so far, with their items and seconds, from the service's own counters."""
    request = urllib.request.Request(f"{server.url}/metrics", headers={"X-API-Key": server.key})
    with urllib.request.urlopen(request) as answer:
        lines = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
    names = {"seconds": "batch_seconds_sum", "items": "batch_items_sum", "count": "batch_items_count"}
    return {name: float(lines[f"uninote_{source}"]) for name, source in names.items()}


def write(name: str, command: str, found: dict[str, Any]) -> None:
    about = {"command": command, "environment": environment(), "date": datetime.now(UTC).date().isoformat()}
    write_json(RESULTS / f"{name}.json", found | about)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", choices=["stub", "compact"], default="stub")
    parser.add_argument("--rate", type=float, default=500, help="notes a second")
    parser.add_argument("--batch", type=int, default=1, help="notes of a request")
    parser.add_argument("--rates", type=float, nargs="+", default=[5, 10, 20, 40], help="of compact")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("work/online"))
    parser.add_argument("--options", type=json.loads, default={"batch_wait_ms": 0}, help="of the service")
    parser.add_argument("--below", action="store_true", help="measure ingest and match below HTTP, too")
    parser.add_argument("--keep", action="store_true", help="write no result files")
    arguments = parser.parse_args()
    (with_stub if arguments.encoder == "stub" else with_compact)(arguments)


if __name__ == "__main__":
    main()
