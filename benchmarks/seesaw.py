"""Seesaw of both stages: the mean of the nine tasks against the order of Note2Note, along the training.

    python benchmarks/seesaw.py --notes path/to/notes.jsonl --cache work/real/seed-0/cache --seeds 0 1 2
    python benchmarks/seesaw.py --draw

Each seed trains as `uninote demo` does, with the settings in force, and measures the weights of every few
steps on validation and test notes. `--variant rl.policy=plackett_luce` trains stage 2 once more from the same
stage 1 with that setting; `rl.mix=0,rl.steps=300` sets two. Stage 2 is shown before its merge with stage 1.
OCR and outputs of the towers are read from `--cache` and kept there. `--draw` only draws the plot again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.encoder.axes import fit_axes
from uninote.encoder.loading import load_encoder
from uninote.environment import environment
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.result_charts import seesaw
from uninote.evaluation.results import write_json
from uninote.evaluation.suite import Suite, build_suite
from uninote.items import Item
from uninote.negatives import pair_items
from uninote.pipeline import train
from uninote.pipeline.budget import scaled_to
from uninote.pipeline.notes import annotate, load_notes, split
from uninote.settings import Settings, load_settings
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft
from uninote.training.snapshots import Snapshots, load_weights

ROOT = Path(__file__).parent.parent
RESULT = ROOT / "benchmarks" / "results" / "seesaw.json"
PLOT = ROOT / "docs" / "images" / "results" / "seesaw.svg"
POINTS = 8
"""Measurements of a stage, after its start."""


def changed(settings: Settings, variant: str) -> Settings:
    """Return the settings with `rl.name=value` of a variant, several separated by commas."""
    values = dict(part.split("=", 1) for part in variant.split(",") if part)
    if unknown := [name for name in values if not name.startswith("rl.")]:
        raise SystemExit(f"--variant sets options of stage 2, rl.NAME=VALUE, and not {', '.join(unknown)}")
    own = {name.removeprefix("rl."): value for name, value in values.items()}
    rl = type(settings.rl).model_validate(settings.rl.model_dump() | own)
    return settings.model_copy(update={"rl": rl})


def spacing(steps: int) -> int:
    """Return the steps between two measurements."""
    return max(1, -(-steps // POINTS))


def measured(encoder: Encoder, suites: dict[str, Suite]) -> dict[str, Any]:
    """Measure the encoder at full width: the mean of the nine and Note2Note, by suite, as shares."""
    found: dict[str, Any] = {}
    for name, suite in suites.items():
        result = evaluate(encoder, suite, dims=(max(encoder.dims),), bootstrap=0, samples=0)
        order = result["tasks"]["Note2Note"]
        found[name] = {"nine": result["means"]["nine"]["mean"]}
        found[name] |= {metric: order[metric] for metric in ("precision@1", "ndcg@10")}
    return found


def path(
    encoder: Encoder, kept: Snapshots, axes: Sequence[Item], suites: dict[str, Suite], name: str, stage: str
) -> dict[str, Any]:
    """Measure every snapshot of a stage; return one line of the plot."""
    points = []
    for step, weights in kept.weights.items():
        load_weights(encoder.backbone, weights)
        fit_axes(encoder, axes)
        points.append({"step": step, **measured(encoder, suites)})
        print(name, stage, points[-1], flush=True)
    return {"name": name, "stage": stage, "points": points}


def lines_of(notes: Path, seed: int, cache: Path, variants: Sequence[str]) -> list[dict[str, Any]]:
    """Train both stages with one seed; return the lines of stage 1 and of each variant of stage 2."""
    settings, skips, features = load_settings(seed=seed), SkipReport(), cache / "features"
    loaded = annotate(load_notes(notes, settings, skips), settings, cache, skips, True)
    splits = split(loaded, settings)
    settings = scaled_to(settings, len(splits.train))
    reread = rereading(settings, cache)
    suites = {
        name: build_suite(getattr(splits, name), settings.seed, reread=reread)
        for name in ("validation", "test")
    }
    with tempfile.TemporaryDirectory() as scratch:
        folders = {stage: Path(scratch) / stage for stage in ("base", "warmup", "sft")}
        start = folders["base"]
        train.base_model(settings, start, features)
        if "warmup" in train.stages_of(settings):
            train.warmed_up_model(start, splits.train, settings, folders["warmup"], features, True)
            start = folders["warmup"]
        mined = train.mined_examples(start, splits.train, settings, features)
        axes = list(pair_items([example.pair for example in mined.examples]))
        options: dict[str, Any] = {"seed": seed, "progress": True}

        encoder = load_encoder(start, settings, features)
        kept = Snapshots(encoder.backbone, spacing(settings.sft.steps))
        run = Path(scratch) / "run-sft"
        train_sft(encoder, mined.examples, mined.reference, settings.sft, run, callbacks=[kept], **options)
        encoder.save(folders["sft"])
        alone = len(variants) == 1
        lines = [path(encoder, kept, axes, suites, f"seed {seed}" if alone else "stage 1", "stage 1")]
        for number, variant in enumerate(variants):
            own = changed(settings, variant)
            encoder = load_encoder(folders["sft"], own, features)
            kept = Snapshots(encoder.backbone, spacing(own.rl.steps))
            run = Path(scratch) / f"run-rl-{number}"
            joint = mined if own.rl.mix else None
            train_rl(encoder, splits.train, own.rl, run, stage_one=joint, callbacks=[kept], **options)
            name = f"seed {seed}" if alone else variant or "as set"
            lines.append(path(encoder, kept, axes, suites, name, "stage 2"))
    return [{"seed": seed, **line} for line in lines]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("work/real/seed-0/cache"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--variant", action="append", default=[""], help="stage 2 with rl.NAME=VALUE")
    parser.add_argument("--draw", action="store_true", help="draw the plot of the stored results")
    arguments = parser.parse_args()
    if not arguments.draw:
        if arguments.notes is None:
            parser.error("--notes is required, except with --draw")
        variants = arguments.variant
        lines = [
            line
            for seed in arguments.seeds
            for line in lines_of(arguments.notes, seed, arguments.cache, variants)
        ]
        command = f"python benchmarks/seesaw.py --notes {arguments.notes.name} --seeds "
        command += " ".join([*map(str, arguments.seeds), *(f"--variant {v}" for v in variants if v)])
        content = {
            "seeds": arguments.seeds,
            "rl": load_settings().rl.model_dump(mode="json"),
            "lines": lines,
            "command": command,
            "environment": environment(),
            "date": datetime.now(UTC).date().isoformat(),
        }
        write_json(RESULT, content)
    PLOT.write_text(seesaw(json.loads(RESULT.read_text("utf-8"))["lines"]), "utf-8")
    Console().print(f"{RESULT}\n{PLOT}", soft_wrap=True)


if __name__ == "__main__":
    main()
