"""Quality against bytes a note, for every method of the report and for the dual tower at several budgets.

    python benchmarks/quality_bytes.py --notes path/to/notes.jsonl --runs work/real --seeds 0 1 2
    python benchmarks/quality_bytes.py --draw

`--runs` holds what `benchmarks/real_notes.py` left: a finished `uninote demo` per seed. Methods of the report
are read from it. Measured here are the model's vectors in 16 bits, as the service stores them, and the dual
tower cut to the bytes of vectors of several widths, with elements, dimensions and fusion tuned on validation
notes. `--more NAME=FOLDER` adds the last stage of other runs of the same seeds, e.g. of another text tower.
`--draw` only draws the plot again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.environment import environment
from uninote.evaluation.baselines.late_fusion import EncodedOnce
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.baselines.report import cut_fusion
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.headline import first_metric
from uninote.evaluation.links import links_task
from uninote.evaluation.note_rows import near_rows
from uninote.evaluation.protocols import Floats
from uninote.evaluation.result_charts import quality_bytes
from uninote.evaluation.results import write_json
from uninote.evaluation.suite import build_suite
from uninote.evaluation.tables import over_seeds
from uninote.items import Item
from uninote.pipeline.notes import annotate, distractors_of, load_notes, split
from uninote.settings import load_settings
from uninote.tasks.definitions import UNEDITED, Task, in_words

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "quality-bytes.json"
PLOT = ROOT / "docs" / "images" / "results" / "quality-bytes.svg"
BUDGETS = (96, 192, 384, 768, 1536, 3072)
"""Widths of the one vector that the cut dual tower may take the bytes of."""
MEANS = {in_words(tasks): tasks for tasks in (UNEDITED, tuple(Task))}
"""Tasks by the name of the mean that is drawn."""

Points = dict[str, list[dict[str, float]]]
"""Points by method: `bytes` a note, and the mean of each of `MEANS` as a share."""


class Half:
    """Encoder whose vectors of one dimension are rounded to 16 bits."""

    uses_instructions = False

    def __init__(self, encoder: Encoder, dim: int) -> None:
        self.encoder, self.dims = encoder, (dim,)

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        dim: int | None = None,
        progress: bool = False,
    ) -> Floats:
        rows = self.encoder.encode(items, task=task, dim=self.dims[0], progress=progress)
        return rows.astype(np.float16).astype(np.float32)


def means(tasks: Mapping[str, Any]) -> dict[str, float]:
    """Return each of `MEANS` by the first metric of its tasks."""
    return {
        name: float(np.mean([tasks[task][first_metric(task)] for task in members]))
        for name, members in MEANS.items()
    }


def of_dims(stage: Mapping[str, Any], size: int) -> list[dict[str, float]]:
    """Return the points of a stage of the report, with `size` bytes a dimension."""
    dims = sorted(map(int, stage["dims"]))
    return [{"bytes": float(size * dim), **means(stage["dims"][str(dim)])} for dim in dims]


def reported(report: Mapping[str, Any]) -> Points:
    """Return the points of the last stage, and of every baseline that can do all tasks."""
    points = {"UniNote, 32 bits": of_dims(list(report["stages"].values())[-1], 4)}
    for name, entry in report["baselines"].items():
        able = not any("note" in task for task in entry["tasks"].values())
        if able and name != "dual tower, equal bytes":  # a point of the cut dual tower
            points[name] = [{"bytes": entry["cost"]["bytes_per_note"], **means(entry["tasks"])}]
    return points


def measured(notes: Path, run: Path, seed: int) -> Points:
    """Measure the model in 16 bits, and the dual tower at every budget."""
    settings, skips, cache = load_settings(seed=seed), SkipReport(), run / "cache"
    report = json.loads((run / "report.json").read_text("utf-8"))
    parts = split(annotate(load_notes(notes, settings, skips), settings, cache, skips, True), settings)
    reread = rereading(settings, cache)
    features = cache / "features"
    suite_of = partial(build_suite, seed=seed, extra=[links_task], reread=reread)
    validation = suite_of(parts.validation)
    test = suite_of(
        parts.test, distractors=distractors_of(parts, "test", settings), near=near_rows(settings, features)
    )
    if report["dataset"]["suite"] != test.fingerprint:
        raise SystemExit(f"{run} is a run of other notes or another seed: measure it again")
    test = replace(test, extra=())
    model = Encoder.load(run / "index" / "model", feature_folder=features)
    half = [
        {"bytes": 2.0 * dim, **means(evaluate(Half(model, dim), test, bootstrap=0, samples=0)["tasks"])}
        for dim in model.dims
    ]
    (warm,) = run.glob("state/*/model-warmup")
    elements = EncodedOnce(Encoder.load(warm, feature_folder=features))
    cut = []
    for width in BUDGETS:
        found = evaluate_baseline(cut_fusion(elements, width, parts.test, validation), test, bootstrap=0)
        cut.append({"bytes": found["cost"]["bytes_per_note"], **means(found["tasks"])})
        print(f"seed {seed}, {4 * width} bytes: {cut[-1]}", flush=True)
    return {"UniNote, 16 bits": half, "dual tower, cut": cut}


def averaged(seeds: Sequence[Points]) -> Iterator[dict[str, Any]]:
    """Yield `name` and `points` of every method, with means over seeds in percent and their t intervals."""
    for name in seeds[0]:
        points = []
        for places in zip(*(points[name] for points in seeds), strict=True):
            point: dict[str, Any] = {"bytes": round(float(np.mean([place["bytes"] for place in places])))}
            for mean in MEANS:
                point[mean] = over_seeds([100 * place[mean] for place in places]).model_dump()
            points.append(point)
        yield {"name": name, "points": points}


def with_more(points: Points, more: Iterable[str], seed: int) -> Points:
    for one in more:
        name, _, folder = one.partition("=")
        report = json.loads((Path(folder) / f"seed-{seed}" / "report.json").read_text("utf-8"))
        points[f"UniNote, {name}"] = of_dims(list(report["stages"].values())[-1], 4)
    return points


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("work/real"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--more", action="append", default=[], help="NAME=FOLDER of other runs")
    parser.add_argument("--draw", action="store_true", help="draw the plot of the stored results")
    arguments = parser.parse_args()
    if not arguments.draw:
        if arguments.notes is None:
            parser.error("--notes is required, except with --draw")
        seeds = []
        for seed in arguments.seeds:
            run = arguments.runs / f"seed-{seed}"
            points = reported(json.loads((run / "report.json").read_text("utf-8")))
            points |= measured(arguments.notes, run, seed)
            seeds.append(with_more(points, arguments.more, seed))
        command = f"python benchmarks/quality_bytes.py --notes {arguments.notes.name} --runs RUNS --seeds "
        more = [f"--more {one.partition('=')[0]}=FOLDER" for one in arguments.more]
        content = {
            "seeds": arguments.seeds,
            "methods": list(averaged(seeds)),
            "command": command + " ".join([*map(str, arguments.seeds), *more]),
            "environment": environment(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        write_json(RESULT, content)
    PLOT.write_text(quality_bytes(json.loads(RESULT.read_text("utf-8"))["methods"]), "utf-8")
    print(RESULT, PLOT, sep="\n")


if __name__ == "__main__":
    main()
