"""Search over a large corpus: recall, queries per second against the bare engine, build time, bytes per note.

    python benchmarks/corpus_1m.py --rows 1000000 --dim 512 --out work/corpus-1m

It fills the service's own tables in an embedded database with vectors of `benchmarks/corpus_vectors.py`,
builds the indexes of `service.domain.notes.search`, and queries through `search`. The engine's own rate is
the core of the same query written by hand, ids only, over one bare connection with a prepared statement. Both
take turns, block by block, so that other work of the machine slows both alike. Load and builds are kept in
`--out`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from corpus_vectors import Corpus, Rows, nearest
from numpy.typing import NDArray
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from sqlalchemy import select

from uninote.environment import environment
from uninote.evaluation.results import write_json, write_result
from uninote.service.db.engine import Database
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.gallery import versions
from uninote.service.domain.notes import search
from uninote.service.domain.notes.vector_index import (
    EFFORT,
    LINKS,
    IndexForm,
    Plan,
    PlanCache,
    build_index,
)

RESULTS = Path(__file__).parent / "results"
VERSION, K, BLOCK = "bench", 10, 25
NOTES = "COPY service.notes (id, content_key, payload, kind, category, lang) FROM STDIN (FORMAT BINARY)"
VECTORS = (
    "COPY service.vectors (note_id, model_id, content_key, vector, kind, category) FROM STDIN (FORMAT BINARY)"
)


def tune(database: Database, shared: str) -> None:
    """Set the server's own cache to hold the index, as operators of this size do."""
    with database.connect(autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET shared_buffers = '{shared}'")
        connection.execute("ALTER SYSTEM SET max_wal_size = '8GB'")


def load(database: Database, corpus: Corpus) -> float:
    """Copy the corpus in. Returns the seconds it took; 0 when it is stored already."""
    model = database.transaction(lambda session: versions.ensure(session, VERSION, corpus.dim, "bench"))
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


def build(
    database: Database, model: ModelVersion, form: IndexForm, dims: int | None, graph: list[int]
) -> dict[str, Any]:
    """Build one index. Returns its seconds and bytes; the caller keeps the seconds of the first build."""
    began = time.monotonic()
    plan = build_index(database, model, form, dims, links=graph[0], effort=graph[1])
    seconds = time.monotonic() - began
    with database.connect() as connection:
        name = f"service.vectors_{model.id}_{plan.form}_{plan.dims}"
        (size,) = connection.execute("SELECT pg_relation_size(%s::regclass)", [name]).fetchone() or (0,)
    return {"form": plan.form, "dims": plan.dims, "graph": graph, "seconds": seconds, "bytes": size}


def truth(corpus: Corpus, queries: Rows, out: Path) -> NDArray[np.int64]:
    """Find the K nearest rows of each query by brute force [q, K]; the result is kept in a file."""
    file = out / f"nearest-{corpus.rows}-{corpus.dim}-{len(queries)}.npy"
    if not file.exists():
        np.save(file, nearest(corpus, queries, K)[0])
    known: NDArray[np.int64] = np.load(file)
    return known


def by_hand(plan: Plan, model: ModelVersion) -> tuple[str, dict[str, str]]:
    """Return the statement that an expert writes for this index, and its settings."""
    where = f"WHERE model_id = {model.id}"
    if plan.form == "full":
        near = f"(vector::halfvec({plan.dims})) <#> %b::halfvec({plan.dims})"
        text = f"SELECT note_id FROM service.vectors {where} ORDER BY {near} LIMIT {K}"
    else:
        column, query = plan.operand.format("vector"), plan.operand.format("%b::halfvec")
        text = (
            f"SELECT note_id FROM (SELECT note_id, vector FROM service.vectors {where} "
            f"ORDER BY {column} {plan.operator} {query} LIMIT {plan.fetched(K)}) AS near "
            f"ORDER BY vector <#> %b::halfvec LIMIT {K}"
        )
    return text, {"hnsw.ef_search": str(plan.ef(K)), "hnsw.iterative_scan": "off"}


def ask(
    database: Database,
    model: ModelVersion,
    plan: Plan,
    queries: Rows,
    expected: NDArray[np.int64],
    seconds: float,
) -> dict[str, Any]:
    """Measure recall and rates of one index."""
    statement, settings = by_hand(plan, model)
    halves = [HalfVector(row.astype(np.float16)) for row in queries]

    indexes = PlanCache()

    def through_store(number: int) -> list[str]:
        chosen = "auto" if plan.form == "full" else plan  # what callers of the service get
        query = queries[number]
        found = database.read(lambda s: search.search(s, model, query, K, plan=chosen, cache=indexes))
        return [hit.note_id for hit in found]

    with database.connect(autocommit=True) as connection:
        connection.prepare_threshold = 0
        register_vector(connection)
        connection.execute("SET jit = off")
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])

        def raw(number: int) -> list[str]:
            values = [halves[number]] * statement.count("%b")
            return [row[0] for row in connection.execute(statement, values, prepare=True)]

        hits: dict[str, list[float]] = {"store": [], "raw": []}
        for number, near in enumerate(expected):
            wanted = {note_id(one) for one in near}
            hits["store"].append(len(wanted & set(through_store(number))) / K)
            hits["raw"].append(len(wanted & set(raw(number))) / K)
        spent: dict[str, list[float]] = {"store": [], "raw": []}
        blocks: list[float] = []
        turns = [("store", through_store), ("raw", raw)]
        began, start = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            block = [(start + n) % len(queries) for n in range(BLOCK)]
            took = {}
            turns.reverse()  # the second one finds caches warm
            for name, call in turns:
                times = []
                for number in block:
                    one = time.perf_counter()
                    call(number)
                    times.append(time.perf_counter() - one)
                spent[name] += times
                took[name] = sum(times)
            blocks.append(took["raw"] / took["store"])
            start += BLOCK
    draw = np.random.default_rng(0)
    means = [float(np.median(draw.choice(blocks, len(blocks)))) for _ in range(1000)]
    rate = {name: 1 / statistics.median(times) for name, times in spent.items()}
    return {
        "form": plan.form,
        "dims": plan.dims,
        "ef": plan.ef(K),
        "recall_at_10": round(statistics.fmean(hits["store"]), 4),
        "raw_recall_at_10": round(statistics.fmean(hits["raw"]), 4),
        "queries_per_second": round(rate["store"], 1),
        "raw_queries_per_second": round(rate["raw"], 1),
        "p99_ms": round(1000 * float(np.percentile(spent["store"], 99)), 2),
        "part_of_raw": round(statistics.median(blocks), 4),
        "part_of_raw_interval": [round(float(np.quantile(means, q)), 4) for q in (0.025, 0.975)],
        "queries": len(spent["store"]),
    }


def report(
    corpus: Corpus, kept: dict[str, Any], table: float, rows: list[dict[str, Any]], command: str
) -> None:
    """Write one file with everything, and one per claim about the full index."""
    size = f"{corpus.rows // 1000}k" if corpus.rows < 10**6 else f"{corpus.rows / 10**6:g}m"
    whole = {
        "rows": corpus.rows,
        "dim": corpus.dim,
        "vectors": "drawn, see benchmarks/corpus_vectors.py",
        "load_seconds": kept.get("load_seconds"),
        "table_bytes_per_note": round(table, 1),
        "indexes": rows,
        "load_average": round(os.getloadavg()[0], 1),
        "command": command,
        "environment": environment(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    write_json(RESULTS / f"corpus-{size}.json", whole)
    for row in rows:
        if row["form"] == "full":
            what = (
                f"search over {corpus.rows:,} notes of {corpus.dim} dimensions by the HNSW index of halfvec"
            )
            write_result(
                RESULTS,
                f"corpus-{size}-recall",
                f"Recall@10 of {what}",
                row["recall_at_10"],
                goal=0.99,
                command=command,
            )
            interval = (row["part_of_raw_interval"][0], row["part_of_raw_interval"][1])
            write_result(
                RESULTS,
                f"corpus-{size}-rate",
                f"Queries per second of {what}, as a part of the engine's own",
                row["part_of_raw"],
                goal=0.9,
                interval=interval,
                command=command,
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--forms", nargs="+", default=["binary", "full"], help="full, binary, prefix:DIMS")
    graph = [LINKS, EFFORT]
    parser.add_argument("--graph", type=int, nargs=2, default=graph, help="m and ef_construction")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--shared-buffers", default="3GB", help="of the embedded server")
    parser.add_argument("--seconds", type=float, default=60, help="of asking, for each index")
    parser.add_argument("--candidates", type=int, default=10, help="per result, of prefix and binary")
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
        model = database.transaction(lambda s: s.scalars(select(ModelVersion)).one())
        for wanted in arguments.forms:
            form, _, dims = wanted.partition(":")
            made = build(database, model, form, int(dims) if dims else None, arguments.graph)
            if wanted in kept:
                made |= {"seconds": kept[wanted]["seconds"], "graph": kept[wanted]["graph"]}
            kept[wanted] = made
            write_json(notes, kept)
            print(made, flush=True)
        if arguments.build_only:
            return
        queries = corpus.queries(arguments.queries)
        expected = truth(corpus, queries, arguments.out)
        rows = []
        for wanted in arguments.forms:
            plan = Plan(kept[wanted]["form"], kept[wanted]["dims"], arguments.candidates)
            found = ask(database, model, plan, queries, expected, arguments.seconds)
            built = {
                "graph": kept[wanted]["graph"],
                "build_seconds": round(kept[wanted]["seconds"], 1),
                "index_bytes_per_note": round(kept[wanted]["bytes"] / corpus.rows, 1),
            }
            rows.append(found | built)
            print(rows[-1], flush=True)
        with database.connect() as connection:
            (table,) = connection.execute("SELECT pg_table_size('service.vectors')").fetchone() or (0,)
    command = f"python benchmarks/corpus_1m.py --rows {corpus.rows} --dim {corpus.dim}"
    command += f" --forms {' '.join(arguments.forms)} --graph {' '.join(map(str, arguments.graph))}"
    command += f" --queries {arguments.queries} --seconds {arguments.seconds:g}"
    command += f" --shared-buffers {arguments.shared_buffers}"
    report(corpus, kept, table / corpus.rows, rows, command)


if __name__ == "__main__":
    main()
