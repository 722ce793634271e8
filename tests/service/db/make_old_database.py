"""Maker of `database-5dbdb82.sql`: a small service database, written by the code of commit 5dbdb82.

    git worktree add ../old 5dbdb82
    python -m venv ../old-env && ../old-env/bin/pip install ../old
    ../old-env/bin/python tests/service/db/make_old_database.py tests/service/db/database-5dbdb82.sql

It imports the modules of that commit under their names of then, so it runs with that commit only. The dump is
SQL text without owners, so that any server with pgvector can run it through one connection.
"""

# ruff: noqa: I001 (modules that are gone)
from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from uninote.items import Item, Note, Picture
from uninote.service.db.engine import Database
from uninote.service.domain import (
    backcheck,
    gallery,
    ingest,
    jobs,
    keys,
    outbox,
    reviews,
    thresholds,
    versions,
)
from uninote.service.domain.gallery import NewSample
from uninote.service.domain.matcher import Matcher
from uninote.service.domain.outcome import Incoming
from uninote.service.domain.queue import JobQueue
from uninote.store.embedded import programs

DIM = 8
NOTES = 12


def toward(first: float) -> np.ndarray:
    """Return a unit vector [DIM] whose cosine with the first axis is `first`."""
    vector = np.zeros(DIM)
    vector[0], vector[-1] = first, np.sqrt(1 - first**2)
    return vector


def fill(database: Database) -> None:
    """Store notes n00 to n11 at cosines 1.00, 0.98, ... to a sample of a category with threshold 0.895."""
    run = database.run
    run(lambda s: versions.ensure(s, "m1", DIM, "ops"))
    run(lambda s: versions.add(s, "m2", DIM, "ops"))  # loading: nothing is filled yet
    run(lambda s: keys.create(s, "app", "admin", "ops"))
    run(lambda s: gallery.put_category(s, "spam", "ops", description="umbrellas"))
    run(lambda s: thresholds.put(s, "spam", "m1", 0.895, "ops"))
    sample, _ = run(
        lambda s: gallery.add_samples(
            s,
            [
                NewSample("spam", "text", Item.of("an umbrella"), {"m1": toward(1.0)}),
                NewSample("spam", "text", Item.of("a parasol"), {"m1": toward(-1.0)}, allow=True),
            ],
            "ops",
        )
    )
    outbox.rebuild(database)
    picture = Picture.from_bytes(b"png", ocr=("read",), description="a picture")
    for row in range(NOTES):
        pictures = (picture,) if row == 0 else ()
        note = Note(f"n{row:02}", title=f"note {row}", pictures=pictures, category="rain")
        outcomes = ingest.ingest(
            database,
            Matcher(),
            [Incoming(note, {"m1": toward(1 - 0.02 * row)})],
            "app",
            request=(f"key {row}", f"{row:064}"),
        )
        assert [one.status for one in outcomes] == ["created"]
    match = run(lambda s: reviews.matches_of(s, "n01"))[0].id
    run(lambda s: reviews.judge(s, match, "true_positive", "ana", "indeed"))
    finished, running, waiting = (
        run(lambda s: jobs.create(s, [sample.id], "ana", record=True)).id for _ in range(3)
    )
    backcheck.run(database, finished)
    backcheck.run(database, running, page=3, stop=lambda: True)
    queue = JobQueue(database)
    queue.submit(waiting)  # a wake-up that no worker took
    queue.close()


def dump(database: Database) -> str:
    """Return the whole database as statements."""
    command = [str(programs() / "pg_dump"), f"--dbname={database.address}"]
    options = ["--no-owner", "--no-privileges", "--rows-per-insert=100"]
    text = subprocess.run([*command, *options], check=True, capture_output=True, text=True).stdout
    # `\\restrict` is for psql alone.
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("\\"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder)) as database:
        fill(database)
        Path(sys.argv[1]).write_text(dump(database), "utf-8")
