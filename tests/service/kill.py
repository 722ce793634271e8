"""Crash test: SIGKILL at random instants of an ingest, then a count of what every table holds.

A child process ingests notes from two threads into the embedded database, and prints each acknowledged note.
It is killed, or the database server is, or one of the server's own processes; the dead process is started
again and resumes. In the end every acknowledged note must be stored with one vector, one match and one audit
row. A vector store that is fed from the outbox, by a process that is killed as well, must hold exactly the
notes of the database.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from uninote.items import Item, Note
from uninote.service.db.engine import Database
from uninote.service.domain.gallery import categories, thresholds, versions
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.gallery.sample_rows import NewSample
from uninote.service.domain.gallery.samples import add_samples
from uninote.service.domain.notes import outbox
from uninote.service.domain.notes.ingest import store_deliveries
from uninote.service.domain.notes.ingest_types import Delivery, Incoming
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Store

DIM, THREADS, BATCH = 32, 2, 3
ACKNOWLEDGED = re.compile(rb"\d+-\d+\n")
VICTIMS = ("service", "database", "backend")
START_SECONDS = 240


@dataclass
class Report:
    """Counts of work done and of faults found after it: `faults` must be 0.

    other_lines: lines of the service that are no whole acknowledgement, and so do not count as one.
    """

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    wrong_vectors: int = 0
    wrong_matches: int = 0
    wrong_audit: int = 0
    index_differs: int = 0
    other_lines: int = 0

    @property
    def faults(self) -> int:
        return self.lost + self.wrong_vectors + self.wrong_matches + self.wrong_audit + self.index_differs


def vector_of(name: str) -> np.ndarray[Any, Any]:
    """Draw a vector near the first direction, where the sample is, so that every note matches once."""
    noise = np.random.default_rng(abs(hash_of(name))).normal(size=DIM) * 0.02
    noise[0] += 1
    return noise


def hash_of(name: str) -> int:
    return int.from_bytes(name.encode()[-8:])


def prepare(database: Database) -> None:
    """Store a model, a category, one sample that every note is near, and one that none is; safe to repeat."""
    database.transaction(lambda s: versions.ensure(s, "m1", DIM, "bench"))
    if not database.transaction(outbox.wanted):
        outbox.rebuild(database)
    if not database.transaction(categories.listing):
        database.transaction(lambda s: categories.put_category(s, "near", "bench"))
        database.transaction(lambda s: thresholds.put(s, "near", "m1", 0.5, "bench"))
    samples = [
        NewSample("near", "text", Item.of(name), {"m1": vector}, label=name)
        for name, vector in (("near", np.eye(1, DIM)[0]), ("far", -np.eye(1, DIM)[0]))
    ]
    database.transaction(lambda s: add_samples(s, samples, "bench"))


def open_index(database: Database) -> Store:
    return PostgresStore(database.address, DIM, collection="killed", connections=1)


def serve(folder: Path, starts: list[int]) -> None:
    """Run the child: ingest forever from where each thread stood, feed the index, print acknowledgements."""
    said = os.dup(1)
    os.dup2(2, 1)  # what is logged is no acknowledgement
    with Database(folder) as database:
        prepare(database)
        matcher = Matcher()
        store = open_index(database)
        sink = outbox.store_sink({"m1": store})
        feeder = threading.Thread(target=outbox.follow, args=(database, sink, threading.Event()), daemon=True)
        feeder.start()

        def write(thread: int) -> None:
            number = starts[thread]
            while True:
                # Two callers whose notes share a transaction, as in the service; the second has a key.
                names = [f"{thread}-{number + step}" for step in range(BATCH)]
                batch = [Incoming(Note(name, title=name), {"m1": vector_of(name)}) for name in names]
                request = (f"{thread}-{number}", "digest")
                pair = [Delivery(batch[:1], "bench"), Delivery(batch[1:], "bench", request)]
                answers = store_deliveries(database, matcher, pair)
                for answer in answers:
                    if isinstance(answer, list):  # or its caller sends it again
                        done = [one.id for one in answer if one.status != "rejected"]
                        os.write(said, "".join(f"{name}\n" for name in done).encode())
                if all(isinstance(answer, list) for answer in answers):
                    number += BATCH

        threads = [threading.Thread(target=write, args=(thread,), daemon=True) for thread in range(THREADS)]
        for thread in threads:
            thread.start()
        while all(thread.is_alive() for thread in (*threads, feeder)):
            time.sleep(0.1)
        os._exit(3)  # a worker that died ends the process


class Child:
    """The serving process, and what it acknowledged over all its lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.acknowledged: list[str] = []
        self.other: list[bytes] = []
        self.start()

    def start(self) -> None:
        starts = [
            max(
                (int(name.split("-")[1]) + 1 for name in self.acknowledged if name.startswith(f"{thread}-")),
                default=0,
            )
            for thread in range(THREADS)
        ]
        arguments = [str(self._folder), *map(str, starts)]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, start_new_session=True
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout
        for line in process.stdout:
            if ACKNOWLEDGED.fullmatch(line):
                self.acknowledged.append(line.decode().strip())
            else:  # cut short by the kill, or something that is no acknowledgement at all
                self.other.append(line)

    def wait_for_progress(self) -> None:
        """Wait until another note is acknowledged. Raises RuntimeError when the process ended by itself."""
        known, deadline = len(self.acknowledged), time.monotonic() + START_SECONDS
        while len(self.acknowledged) == known:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the service stopped acknowledging, exit status {self.process.poll()}")
            time.sleep(0.005)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()  # what it said before it died was acknowledged


def kill_server(folder: Path, backend: bool, draw: random.Random) -> bool:
    """Send SIGKILL to the server, or to one of its processes; return False when none runs."""
    try:
        server = psutil.Process(int((folder / "cluster/postmaster.pid").read_text().split()[0]))
        victim = draw.choice(server.children()) if backend else server
        os.kill(victim.pid, signal.SIGKILL)
    except (OSError, ValueError, IndexError, psutil.Error):
        return False
    return True


def check(folder: Path, acknowledged: list[str], report: Report) -> None:
    """Compare what was acknowledged with what every table and the index hold."""
    with Database(folder) as database:
        store = open_index(database)
        sink = outbox.store_sink({"m1": store})
        while outbox.send(database, sink):
            pass

        def counted(statement: str) -> Counter[str]:
            rows = database.transaction(lambda s: s.connection().exec_driver_sql(statement).all())
            return Counter({row[0]: row[1] for row in rows})

        notes = counted("SELECT id, 1 FROM service.notes")
        vectors = counted("SELECT note_id, count(*) FROM service.vectors GROUP BY 1")
        matches = counted("SELECT note_id, count(*) FROM service.matches GROUP BY 1")
        audit = counted(
            "SELECT n.id, count(*) FROM service.notes n JOIN service.audit a "
            "ON a.subject = 'note:' || encode(sha256(convert_to(n.id, 'UTF8')), 'hex') "
            "WHERE a.action = 'note.create' GROUP BY 1"
        )
        hits = store.search([np.eye(1, DIM)[0]], max(1, len(notes)))[0]
        store.close()
        report.acknowledged, report.stored = len(set(acknowledged)), len(notes)
        lost = sorted(set(acknowledged) - notes.keys())
        if lost:
            print("lost:", lost[:20], file=sys.stderr)
        report.lost = len(lost)
        report.wrong_vectors = wrong(vectors, notes)
        report.wrong_matches = wrong(matches, notes)
        report.wrong_audit = wrong(audit, notes)
        report.index_differs = len({hit.id for hit in hits} ^ notes.keys())


def wrong(found: Counter[str], notes: Counter[str]) -> int:
    """Count the notes that do not have exactly one row."""
    return sum(found[name] != notes[name] for name in found.keys() | notes.keys())


def run(
    folder: Path, kills: int, seed: int, *, longest: float = 0.6, seconds: float = float("inf")
) -> Report:
    """Kill `kills` times, victims in turn, after 0 to `longest` seconds of undisturbed work each, and check.

    After `seconds` no more kills are begun; the report says how many there were.
    """
    draw, report, deadline = random.Random(seed), Report(), time.monotonic() + seconds
    with Database(folder) as database:
        prepare(database)
    child = Child(folder)
    try:
        while (number := sum(report.kills.values())) < kills and time.monotonic() < deadline:
            child.wait_for_progress()
            time.sleep(draw.uniform(0, longest))
            victim = VICTIMS[number % len(VICTIMS)]
            if victim == "service":
                child.kill()
                child.start()
            elif not kill_server(folder, victim == "backend", draw):
                continue  # it is being started again: once more
            report.kills[victim] += 1
            print(dict(report.kills), len(child.acknowledged), file=sys.stderr)
        child.wait_for_progress()
    finally:
        child.kill()
    check(folder, child.acknowledged, report)
    report.other_lines = len(child.other)
    return report


if __name__ == "__main__":
    serve(Path(sys.argv[1]), [int(start) for start in sys.argv[2:]])
