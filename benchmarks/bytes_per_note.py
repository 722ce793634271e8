"""Size of a note's vector against recall, at each dimension and precision, next to a tower per picture.

    python benchmarks/bytes_per_note.py --embeddings demo/state/.../embeddings --report demo/report.json

It reads real embeddings: the shards of `uninote embed` or of a demo, notes and pictures in one pool. Every
vector is a query for its nearest neighbours. Recall is the share of the 10 neighbours by all dimensions in 32
bits that the smaller form finds alone. With `+rescore`, 100 candidates by Hamming distance are ordered by the
same dimensions in 16 bits, and 100 candidates by prefix are ordered by all dimensions, as in the service. The
recall of the tasks at each dimension, and the bytes of the dual tower, are read from the demo's report.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from uninote.environment import environment
from uninote.evaluation.results import write_json
from uninote.tasks.definitions import SINGLE_TARGET

RESULTS = Path(__file__).parent / "results"
K, CANDIDATES, QUERIES = 10, 100, 2000

Rows = NDArray[np.float32]
Scores = Callable[[Rows, Rows], NDArray[Any]]


def read(folder: Path) -> Rows:
    """Read the unit vectors of all shards, float32 [n, dim]."""
    tables = [pq.read_table(file, columns=["vector"]) for file in sorted(folder.glob("*.parquet"))]
    rows = np.concatenate([np.stack(table["vector"].to_numpy()) for table in tables]).astype(np.float32)
    return unit(np.unique(rows, axis=0))


def unit(rows: Rows) -> Rows:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def single(queries: Rows, rows: Rows) -> NDArray[Any]:
    return queries @ rows.T


def half(queries: Rows, rows: Rows) -> NDArray[Any]:
    return queries.astype(np.float16).astype(np.float32) @ rows.astype(np.float16).astype(np.float32).T


def int8(queries: Rows, rows: Rows) -> NDArray[Any]:
    """Round each row to int8 with one scale, 127 for its largest component; the query stays as it is."""
    scale = np.abs(rows).max(axis=1, keepdims=True) / 127
    return queries @ (np.round(rows / scale) * scale).T


def binary(queries: Rows, rows: Rows) -> NDArray[Any]:
    return np.sign(queries) @ np.sign(rows).T


def rescored(queries: Rows, rows: Rows) -> NDArray[Any]:
    return ordered(binary(queries, rows), half(queries, rows))


def ordered(found: NDArray[Any], exact: NDArray[Any]) -> NDArray[Any]:
    """Order the candidates that `found` ranks first by `exact`, followed by the rest."""
    near = top(found, CANDIDATES)
    scores = np.full(exact.shape, -2.0, np.float32)
    np.put_along_axis(scores, near, np.take_along_axis(exact, near, 1), 1)
    return scores


def top(scores: NDArray[Any], k: int) -> NDArray[np.int64]:
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]


FORMS: dict[str, tuple[Callable[[int], float], Scores]] = {
    "vector (32 bit)": (lambda dim: 4 * dim, single),
    "halfvec (16 bit)": (lambda dim: 2 * dim, half),
    "int8": (lambda dim: dim + 4, int8),
    "binary": (lambda dim: dim / 8, binary),
    "binary+rescore": (lambda dim: dim / 8 + 2 * dim, rescored),
}


def neighbours(rows: Rows, dim: int, scores: Scores, expected: list[set[int]], places: NDArray[Any]) -> float:
    """Compute the recall@K of neighbours, without the rows themselves."""
    short = unit(rows[:, :dim])
    found = scores(short[places], short).astype(np.float32)
    found[np.arange(len(places)), places] = -np.inf
    return statistics.fmean(
        len(set(mine.tolist()) & want) / K for mine, want in zip(top(found, K), expected, strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--embeddings", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    arguments = parser.parse_args()
    rows = read(arguments.embeddings)
    report = json.loads(arguments.report.read_text())
    places = np.random.default_rng(0).permutation(len(rows))[:QUERIES]
    exact = single(rows[places], rows)
    exact[np.arange(len(places)), places] = -np.inf
    expected = [set(found.tolist()) for found in top(exact, K)]
    whole = half(rows[places], rows)
    forms = FORMS | {
        "prefix+rescore": (
            lambda dim: 2 * dim + 2 * rows.shape[1],
            lambda queries, short: ordered(half(queries, short), whole),
        )
    }
    stage = report["stages"]["rl"]
    table = []
    for dim in sorted(map(int, stage["dims"])):
        tasks = stage["dims"][str(dim)]
        tasks_recall = statistics.fmean(tasks[task.value]["recall@10"] for task in SINGLE_TARGET)
        for name, (size, scores) in forms.items():
            recall = neighbours(rows, dim, scores, expected, places)
            row = {
                "dim": dim,
                "form": name,
                "bytes_per_note": round(size(dim)),
                "recall_at_10": round(recall, 4),
            }
            table.append(row | {"tasks_recall_at_10_of_dim": round(tasks_recall, 4)})
    tower = report["baselines"]["dual tower"]["cost"]
    for row in table:
        print(row)
    print("dual tower", tower)
    write_json(
        RESULTS / "bytes-per-note.json",
        {
            "vectors": len(rows),
            "corpus": report["dataset"]["corpus"],
            "table": table,
            "dual_tower": tower,
            "command": "python benchmarks/bytes_per_note.py --embeddings DEMO/state/.../embeddings "
            "--report DEMO/report.json",
            "environment": environment(),
            "date": datetime.now(UTC).date().isoformat(),
        },
    )


if __name__ == "__main__":
    main()
