"""Quality table on your own or the shared real notes: the demo per seed, then one table and the claims.

    python benchmarks/real_notes.py --notes path/to/notes.jsonl --seeds 0 1 2 --out work/real

Every seed is a run of `uninote demo --notes ... --seed S`, resumable like it; a seed changes the split, the
sampling and the training. OCR and the outputs of the towers do not depend on it: the first seed's run
computes them, so only that run counts for the duration. Results go to `benchmarks/results/`, the table also
to standard output.
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
from uninote.evaluation.results import write_json, write_result
from uninote.pipeline.demo import run_demo
from uninote.settings import load_settings
from uninote.tasks.definitions import SINGLE_TARGET, in_words

RESULTS = Path(__file__).parent / "results"
GRADED = ("recall@1", "recall@5", "recall@10", "precision@1", "precision@5", "precision@10", "ndcg@10")


def over_seeds(
    reports: list[dict[str, Any]], read: Callable[[dict[str, Any]], float]
) -> tuple[float, list[float]]:
    """Return the mean and [lowest, highest] over seeds."""
    values = [read(report) for report in reports]
    return statistics.fmean(values), [min(values), max(values)]


def stage_tasks(stage: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda report: report["stages"][stage]["tasks"]


def table(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Average every metric over seeds, by stage or baseline, then task; with the first seed's intervals."""
    rows: dict[str, Any] = {}
    for kind in ("stages", "baselines"):
        for name in reports[0][kind]:
            rows[name] = {
                task: {
                    metric: round(over_seeds(reports, lambda r: r[kind][name]["tasks"][task][metric])[0], 4)
                    for metric in GRADED
                    if metric in entry
                }
                | {"interval": entry.get(f"{'precision' if task == 'Note2Note' else 'recall'}@1_interval")}
                for task, entry in reports[0][kind][name]["tasks"].items()
            }
    return rows


def means(reports: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Average the means of `headline.MEANS` over seeds, by stage or baseline, then name."""
    return {
        name: {
            mean: round(over_seeds(reports, lambda r: r[kind][name]["means"][mean]["mean"])[0], 4)
            for mean in reports[0][kind][name]["means"]
        }
        for kind in ("stages", "baselines")
        for name in reports[0][kind]
    }


def markdown(rows: dict[str, Any], summed: dict[str, dict[str, float]]) -> str:
    """Render recall@1 (Note2Note: precision@1 and nDCG@10) in percent: a row a task, a column a method.

    The means `summed` follow.
    """
    lines = ["| task | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    picks = [(task.value, "recall@1") for task in SINGLE_TARGET]
    picks += [("Note2Note", "precision@1"), ("Note2Note", "ndcg@10")]
    for task, metric in picks:
        cells = [
            f"{100 * row[task][metric]:.1f}" if metric in row.get(task, {}) else "–" for row in rows.values()
        ]
        name = (
            task
            if metric == "recall@1"
            else f"{task} {metric.replace('ndcg', 'nDCG').replace('precision', 'P')}"
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for name in dict.fromkeys(name for own in summed.values() for name in own):
        cells = [f"**{100 * summed[row][name]:.1f}**" if name in summed[row] else "–" for row in rows]
        lines.append(f"| **mean of {name}** | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("work/real"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
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

    seeds = " ".join(map(str, arguments.seeds))
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

    rows, summed = table(reports), means(reports)
    steps, stages = reports[0]["dataset"]["steps"], list(reports[0]["stages"])
    write_json(
        RESULTS / "real-notes-table.json",
        {
            "seeds": arguments.seeds,
            "steps": steps,
            "stages": stages,
            "command": command,
            "rows": rows,
            "means": summed,
        },
    )
    console.print(markdown(rows, summed), soft_wrap=True)


if __name__ == "__main__":
    main()
