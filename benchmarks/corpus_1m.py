"""Search over a large corpus: recall, queries per second beside the engine's own, build time, bytes per note.

    python benchmarks/corpus_1m.py --rows 1000000 --dim 512 --out work/corpus-1m

Fills the service's own tables in an embedded database (`benchmarks/corpus_vectors.py` says with what), builds
the indexes of `service.domain.search`, and asks it through `search`; the engine's own rate is the same
statement's core, written by hand, over one bare connection. Load and builds are kept in `--out` and not repeated.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from corpus_vectors import Corpus, Rows, nearest
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from sqlalchemy import select

from uninote.evaluation.results import environment, write_json, write_result
from uninote.service.db.corpus import ModelVersion
from uninote.service.db.engine import Database
from uninote.service.domain import search, versions
from uninote.service.domain.search import Form, Plan

RESULTS = Path(__file__).parent / "results"
VERSION, K = "bench", 10
NOTES = "COPY service.notes (id, content_key, payload, kind, category, lang) FROM STDIN (FORMAT BINARY)"
VECTORS = (
    "COPY service.vectors (note_id, model_id, content_key, vector, kind, category) FROM STDIN (FORMAT BINARY)"
)


def tune(database: Database, shared: str) -> None:
    """Room for the index in the server's own cache, as operators of this size set it."""
    with database.connect(autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET shared_buffers = '{shared}'")
        connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")


def load(database: Database, corpus: Corpus) -> float:
    """Seconds to copy the corpus in; 0 when it is there."""
    model = database.run(lambda session: versions.ensure(session, VERSION, corpus.dim, "bench"))
    began = time.monotonic()
    with database.connect() as connection:
        known = connection.execute("SELECT count(*) FROM service.vectors").fetchone()
        if known == (corpus.rows,):
            return 0.0
        register_vector(connection)
        connection.execute("SET session_replication_role = replica")  # the rows are known to fit together
        connection.execute("TRUNCATE service.notes CASCADE")
        for start, rows in corpus.chunks():
            names = [note_id(start + number) for number in range(len(rows))]
            keys = [hashlib.sha256(name.encode()).hexdigest() for name in names]
            with connection.cursor() as cursor, cursor.copy(NOTES) as copy:
                copy.set_types(["text", "text", "jsonb", "text", "text", "text"])
                for name, key in zip(names, keys, strict=True):
                    copy.write_row((name, key, psycopg.types.json.Jsonb({"title": name}), "note", "", ""))
            with connection.cursor() as cursor, cursor.copy(VECTORS) as copy:
                copy.set_types(["text", "int2", "text", "halfvec", "text", "text"])
                for name, key, row in zip(names, keys, rows.astype(np.float16), strict=True):
                    copy.write_row((name, model.id, key, HalfVector(row), "note", ""))
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE service.vectors")
        connection.execute("VACUUM ANALYZE service.notes")
    return time.monotonic() - began


def note_id(number: int) -> str:
    return f"note-{number:08d}"


def build(database: Database, model: ModelVersion, form: Form, dims: int | None) -> dict[str, Any]:
    """Seconds and bytes of one index; the seconds of the first time are kept in the folder by the caller."""
    began = time.monotonic()
    plan = search.build_index(database, model, form, dims)
    seconds = time.monotonic() - began
    with database.connect() as connection:
        name = f"service.vectors_{model.id}_{plan.form}_{plan.dims}"
        (size,) = connection.execute("SELECT pg_relation_size(%s::regclass)", [name]).fetchone() or (0,)
    return {"form": plan.form, "dims": plan.dims, "seconds": seconds, "bytes": size}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--forms", nargs="+", default=["binary", "full"], help="full, binary, prefix:DIMS")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--shared-buffers", default="3GB", help="of the embedded server")
    parser.add_argument("--out", type=Path, default=Path("work/corpus-1m"))
    parser.add_argument("--build-only", action="store_true")
    arguments = parser.parse_args()
    corpus = Corpus(arguments.rows, arguments.dim)
    folder = arguments.out / "postgres"
    with Database(folder) as database:
        tune(database, arguments.shared_buffers)
    notes = arguments.out / "builds.json"
    kept = json.loads(notes.read_text()) if notes.exists() else {}
    with Database(folder) as database:  # the settings act from this start on
        seconds = load(database, corpus)
        if seconds:
            kept = {"load_seconds": round(seconds, 1)}
            write_json(notes, kept)
        model = database.run(lambda s: s.scalars(select(ModelVersion)).one())
        for wanted in arguments.forms:
            form, _, dims = wanted.partition(":")
            made = build(database, model, form, int(dims) if dims else None)
            if wanted in kept:
                made["seconds"] = kept[wanted]["seconds"]
            kept[wanted] = made
            write_json(notes, kept)
            print(made, flush=True)


if __name__ == "__main__":
    main()
