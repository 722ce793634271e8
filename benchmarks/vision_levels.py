"""Ablation of the vision tower's earlier layers: the same warm-up with and without them.

    python benchmarks/vision_levels.py --notes notes.jsonl --seeds 0 1 2

Towers are frozen and run once. Without, every channel but the last layer's is zero, in training and
measuring. Test split of each seed. The table goes to `benchmarks/results/vision-levels.json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from uninote.encoder.compact.vision import LAST

from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.tables import Table, over_seeds, write_table
from uninote.pipeline.bench.corpus import BenchCorpus, SeedCorpus
from uninote.pipeline.bench.metrics import metric_of
from uninote.settings import load_settings

RESULTS = Path(__file__).parent / "results"
COLUMNS = ("mean", "mean all", "I2T", "T2I", "I2OCR", "OCR2I", "I2Note", "Note2I", "Note2Note")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("work/vision-levels"))
    arguments = parser.parse_args()
    corpus = BenchCorpus(arguments.notes, load_settings(), arguments.work / "cache", progress=True)
    rows = []
    for name in ("every level", "the last layer"):
        if rows:  # the first round has read every picture
            for pooled in corpus.towers.pooled.values():
                pooled[:, LAST:] = 0
        of_seed = [SeedCorpus(corpus, seed) for seed in arguments.seeds]
        runs = [evaluate(seed.reference, seed.suite, bootstrap=0, samples=0) for seed in of_seed]
        rows.append((name, *(over_seeds([metric_of(column)(run) for run in runs]) for column in COLUMNS)))
    table = Table(
        title="The vision tower read at every level, and at its last layer",
        columns=("vision features", *COLUMNS),
        rows=tuple(rows),
        seeds=tuple(arguments.seeds),
        command=f"python benchmarks/vision_levels.py --notes {arguments.notes.name} --seeds "
        + " ".join(map(str, arguments.seeds)),
        note=f"{len(corpus.notes):,} notes, a fifth held out to measure; the warm-up alone.",
    )
    write_table(RESULTS / "vision-levels.json", table)
    Console().print(table.title, table.markdown(), sep="\n", soft_wrap=True)


if __name__ == "__main__":
    main()
