"""The shipped model on notes of a source it has never seen: the built-in sample, drawn by code.

    python benchmarks/shipped_model.py --count 200

Untrained, shipped and BM25 on all tasks, and across the sample's two languages: a Chinese note must find
the English ones of its topic, and the other way round. Tables go to `benchmarks/results/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import Ranker, evaluate_baseline
from uninote.evaluation.hard.agreement import language_tasks
from uninote.evaluation.headline import first_metric, mean_recall
from uninote.evaluation.protocols import Json
from uninote.evaluation.suite import Suite, build_suite
from uninote.evaluation.tables import Cell, Measure, Table, write_table
from uninote.pipeline.notes import load_notes
from uninote.sample.notes import write_sample
from uninote.settings import load_settings
from uninote.tasks.definitions import SINGLE_TARGET, in_words

RESULTS = Path(__file__).parent / "results"


def measures(columns: Mapping[str, Json], task: str, metric: str) -> list[Cell]:
    """Return one cell per method: percent and interval over queries; none where it cannot do the task."""
    cells: list[Cell] = []
    for entries in columns.values():
        entry = entries[task]
        low, high = (round(100 * bound, 1) for bound in entry[f"{metric}_interval"])
        value = Measure(value=round(100 * entry[metric], 1), low=low, high=high)
        cells.append(None if "note" in entry else value)
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=200, help="notes of the sample")
    parser.add_argument("--out", type=Path, default=Path("work/shipped"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings, console = load_settings(seed=arguments.seed), Console()
    written = write_sample(arguments.out / "sample", arguments.count, arguments.seed)
    notes = load_notes(written, settings, SkipReport())
    features = arguments.out / "features"
    shipped = Encoder.load("compact", feature_folder=features)
    methods: dict[str, Ranker] = {
        "untrained": OneVector(Encoder.compact(feature_folder=features)),
        "shipped": OneVector(shipped),
        "BM25": Bm25(),
    }
    command = f"python benchmarks/shipped_model.py --count {arguments.count} --seed {arguments.seed}"
    facts = f"{len(notes)} notes of the built-in sample, none of which training has seen. Intervals: 95 %."

    suite = build_suite(notes, arguments.seed)
    columns = {name: evaluate_baseline(ranker, suite)["tasks"] for name, ranker in methods.items()}
    rows: list[tuple[Cell, ...]] = []
    for task in suite.tasks:
        metric = first_metric(task.name)
        name = task.name if metric == "recall@1" else f"{task.name} P@1"
        rows.append((name, *measures(columns, task.name, metric)))
    means = (Measure(value=round(100 * mean_recall(entries), 1)) for entries in columns.values())
    rows.append((f"mean of the {in_words(SINGLE_TARGET)}", *means))
    tables = {
        "shipped-on-sample": Table(
            title="The shipped model on notes of a source it never saw",
            columns=("recall@1, %", *columns),
            rows=tuple(rows),
            seeds=(arguments.seed,),
            command=command,
            note=facts,
        )
    }
    crossing = Suite(tuple(notes), tuple(language_tasks(notes)))
    if crossing.tasks:
        columns = {name: evaluate_baseline(ranker, crossing)["tasks"] for name, ranker in methods.items()}
        rows = [
            (f"{task.name}, {metric.replace('ndcg', 'nDCG')}", *measures(columns, task.name, metric))
            for task in crossing.tasks
            for metric in ("precision@1", "ndcg@10")
        ]
        chance = ", ".join(
            f"{task.name} {100 * task.relevant_counts.mean() / len(task.targets):.1f}"
            for task in crossing.tasks
        )
        tables["hard-across-languages"] = Table(
            title="Across languages: a note finds those of its topic in the other language",
            columns=("%", *columns),
            rows=tuple(rows),
            seeds=(arguments.seed,),
            command=command,
            note=f"{facts} A random order has this P@1: {chance}.",
        )
    for name, table in tables.items():
        write_table(RESULTS / f"{name}.json", table)
        console.print(table.title, table.markdown(), sep="\n", soft_wrap=True)


if __name__ == "__main__":
    main()
