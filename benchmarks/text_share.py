"""Share of the text adapter: recall in and out of domain by how much of its training is kept.

    python benchmarks/text_share.py --notes notes.jsonl --seeds 0 1 2

The text adapter of the shipped model, a residual, is moved back towards the pretrained text tower. Each step
is measured on the held-out notes of its own sources, and on samples of a source it has never seen, one per
seed.
Interpolated weights: arXiv 2109.01903. The table goes to `benchmarks/results/text-share.json`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console
from safetensors.torch import load_file, save_file

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import FILE
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.headline import mean_of_all, mean_recall
from uninote.evaluation.suite import Suite, build_suite
from uninote.evaluation.tables import Cell, Measure, Table, write_table
from uninote.pipeline.notes import load_notes, split
from uninote.sample.notes import write_sample
from uninote.settings import load_settings
from uninote.shipped import COMPACT, HOME
from uninote.tasks.definitions import SINGLE_TARGET, in_words

RESULTS = Path(__file__).parent / "results"
COUNT = 80  # notes of a sample
SHARES = (0.0, 0.5, 1.0)


def moved_back(model: Path, share: float, out: Path) -> Path:
    """Copy `model` to `out`, with that share of its text adapter's residual."""
    shutil.copytree(model, out, dirs_exist_ok=True)
    weights = load_file(out / FILE)
    weights["adapter.2.weight"] *= share
    save_file(weights, out / FILE)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the samples")
    parser.add_argument("--work", type=Path, default=Path("work/text-share"))
    arguments = parser.parse_args()
    settings, features = load_settings(seed=0), arguments.work / "features"
    home = split(load_notes(arguments.notes, settings, SkipReport()), settings).test
    suites = {"home": build_suite(home, settings.seed)}
    for seed in arguments.seeds:
        written = write_sample(arguments.work / f"sample-{seed}", COUNT, seed)
        suites[f"sample {seed}"] = build_suite(load_notes(written, settings, SkipReport()), seed)
    columns = [
        f"{where}: {what}"
        for where in suites
        for what in (f"mean of the {in_words(SINGLE_TARGET)}", "mean of all", "I2OCR", "Note2Note P@1")
    ]
    rows: list[tuple[Cell, ...]] = [
        ("untrained", *measured(Encoder.compact(feature_folder=features), list(suites.values())))
    ]
    for share in SHARES:
        folder = moved_back(HOME / COMPACT, share, arguments.work / f"model-{share:g}")
        encoder = Encoder.load(folder, feature_folder=features)
        rows.append((f"{share:.0%} kept", *measured(encoder, list(suites.values()))))
    table = Table(
        title="The shipped model with a part of what training did to its text side",
        columns=("recall@1, %", *columns),
        rows=tuple(rows),
        seeds=tuple(arguments.seeds),
        command=f"python benchmarks/text_share.py --notes {arguments.notes.name} --seeds "
        + " ".join(map(str, arguments.seeds)),
        note=f"Home: {len(home)} held-out notes of its sources. Samples: {COUNT} notes each, drawn by code.",
    )
    write_table(RESULTS / "text-share.json", table)
    Console().print(table.title, table.markdown(), sep="\n", soft_wrap=True)


def measured(encoder: Encoder, suites: list[Suite]) -> list[Cell]:
    """Evaluate every suite: four cells each, in percent."""
    cells: list[Cell] = []
    for suite in suites:
        tasks = evaluate_baseline(OneVector(encoder), suite)["tasks"]
        values = (mean_recall(tasks), mean_of_all(tasks))
        values += (tasks["I2OCR"]["recall@1"], tasks["Note2Note"]["precision@1"])
        cells += [Measure(value=round(100 * value, 1)) for value in values]
    return cells


if __name__ == "__main__":
    main()
