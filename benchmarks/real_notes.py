"""Quality table on your own or the shared real notes: the demo per seed, then one table and the claims.

    python benchmarks/real_notes.py --notes path/to/notes.jsonl --seeds 0 1 2 --out work/real

Every seed is a run of `uninote demo --notes ... --seed S`, resumable like it; a seed changes the split, the
sampling and the training. OCR and the outputs of the towers do not depend on it: the first seed's run
computes them, so only that run counts for the duration. `--more NAME=FOLDER` adds a column with the last
stage of other runs of the same seeds, e.g. of another text tower. Results go to `benchmarks/results/`, the
table also to standard output and, with `--readme`, into README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from uninote.evaluation.headline import mean_recall
from uninote.evaluation.results import write_result
from uninote.evaluation.results_table import results_table, with_table
from uninote.evaluation.tables import write_table
from uninote.pipeline.demo import run_demo
from uninote.settings import load_settings
from uninote.tasks.definitions import SINGLE_TARGET, in_words

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def over_seeds(
    reports: list[dict[str, Any]], read: Callable[[dict[str, Any]], float]
) -> tuple[float, list[float]]:
    """Return the mean and [lowest, highest] over seeds."""
    values = [read(report) for report in reports]
    return statistics.fmean(values), [min(values), max(values)]


def stage_tasks(stage: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda report: report["stages"][stage]["tasks"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("work/real"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--more", action="append", default=[], help="NAME=FOLDER of other runs")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    arguments = parser.parse_args()

    console = Console()
    reports = []
    for seed in arguments.seeds:
        out = arguments.out / f"seed-{seed}"
        shared = arguments.out.resolve() / f"seed-{arguments.seeds[0]}" / "cache"
        if not (out / "cache").exists() and shared.exists():
            out.mkdir(parents=True, exist_ok=True)
            (out / "cache").symlink_to(shared)
        run_demo(arguments.notes, out, load_settings(seed=seed), console)
        # From the file, so that a resumed and an uninterrupted run are read alike.
        reports.append(json.loads((out / "report.json").read_text()))

    seeds = " ".join(
        [*map(str, arguments.seeds), *(f"--more {m.partition('=')[0]}=FOLDER" for m in arguments.more)]
    )
    command = f"python benchmarks/real_notes.py --notes {arguments.notes.name} --seeds {seeds}"

    def claim(
        name: str, text: str, value: float, goal: float | None, unit: str, span: list[float] | None
    ) -> None:
        # The spread over seeds; one seed has none.
        interval = (span[0], span[1]) if span and len(reports) > 1 else None
        write_result(
            RESULTS, name, text, round(value, 4), goal=goal, unit=unit, interval=interval, command=command
        )
        console.print(f"{name}: {value:.3f} {unit} (goal {goal}) {span or ''}")

    for start in ("base", "warmup"):
        ratio, span = over_seeds(
            reports, lambda r: mean_recall(stage_tasks("sft")(r)) / mean_recall(stage_tasks(start)(r))
        )
        mean = f"the mean recall@1 of the {in_words(SINGLE_TARGET)} tasks"
        text = f"SFT multiplies {mean} over the {start} stage by this"
        claim(f"sft-over-{start}", text, ratio, 2.0 if start == "base" else None, "x", span)
    for metric in ("precision@1", "precision@5", "ndcg@10"):
        gain, span = over_seeds(
            reports,
            lambda r: (
                100 * (stage_tasks("rl")(r)["Note2Note"][metric] - stage_tasks("sft")(r)["Note2Note"][metric])
            ),
        )
        name = f"rl-note2note-{metric.replace('@', '')}"
        claim(name, f"RL changes Note2Note {metric} by this many points", gain, 0.0, "points", span)

    def worst(report: dict[str, Any]) -> float:
        after, before = stage_tasks("rl")(report), stage_tasks("sft")(report)
        return 100 * min(after[t.value]["recall@1"] - before[t.value]["recall@1"] for t in SINGLE_TARGET)

    lowest, span = over_seeds(reports, worst)
    claim("rl-worst-other-task", "The largest loss of another task through RL", lowest, -1.0, "points", span)
    minutes = reports[0]["timing_s"]["total"] / 60
    claim(
        "demo-real-notes-minutes", "The whole demo from scratch takes this long", minutes, 60.0, "min", None
    )

    more = {
        name: [
            json.loads((Path(folder) / f"seed-{seed}" / "report.json").read_text())
            for seed in arguments.seeds
        ]
        for name, _, folder in (one.partition("=") for one in arguments.more)
    }
    table = results_table(reports, more, command)
    write_table(RESULTS / "real-notes-table.json", table)
    console.print(table.markdown(), soft_wrap=True)
    if arguments.readme:
        readme = ROOT / "README.md"
        readme.write_text(with_table(readme.read_text("utf-8"), table.markdown()), "utf-8")


if __name__ == "__main__":
    main()
