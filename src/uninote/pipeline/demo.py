"""The whole pipeline in one call: notes in; models, measurements, a report and a searchable index out."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from uninote.corpus.decode import load_picture
from uninote.corpus.sample import write_sample
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import LateFusion
from uninote.evaluation.baselines.ranker import Ranker, evaluate_baseline
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.links import links_task
from uninote.evaluation.report import build_report, write_report
from uninote.evaluation.suite import Suite, build_suite
from uninote.evaluation.table import summary_table
from uninote.pipeline import train
from uninote.pipeline.budget import scaled_to
from uninote.pipeline.embed import catalogue, embed_entries
from uninote.pipeline.index import build_index
from uninote.pipeline.notes import annotate, drop_unreadable, load_notes, split
from uninote.pipeline.state import Json, RunState, fingerprint
from uninote.settings import Settings

SAMPLE_NOTES = 240
STAGES = ("base", "warmup", "sft", "rl")


def run_demo(
    notes_path: Path | None, out: Path, settings: Settings, console: Console, progress: bool = True
) -> Json:
    """Run, or go on with, the pipeline in `out`; returns the content of `report.json`.

    Pictures' features and OCR are cached by content and outlive a change of settings; trained models and
    measurements belong to one set of notes and settings.
    """
    out.mkdir(parents=True, exist_ok=True)
    cache, features = out / "cache", out / "cache" / "features"
    skips = SkipReport()
    started = time.monotonic()
    console.rule("[bold]notes")
    source = notes_path or _sample(out / "sample", settings.seed)
    notes = load_notes(source, settings, skips)
    notes = annotate(notes, settings, cache, skips, progress)
    vision = Encoder.compact(settings.encoder, settings.corpus, features).backbone.features  # type: ignore[attr-defined]
    notes = drop_unreadable(notes, vision, skips, progress)
    skips.write(out / "skipped.jsonl")
    splits = split(notes, settings)
    settings = scaled_to(settings, len(splits.train))
    pictures = sum(len(note.pictures) for note in notes)
    console.print(
        f"{len(notes)} notes with {pictures} pictures: {len(splits.train)} to train, "
        f"{len(splits.validation)} to validate, {len(splits.test)} to test; {len(skips)} things left out"
        + (f" (see {out / 'skipped.jsonl'})" if len(skips) else "")
    )

    # Later steps depend on settings of their own: changing those keeps the long steps before.
    state = RunState(out, fingerprint(notes, settings.model_dump(exclude={"rl", "evaluation", "store"})))
    models = {stage: state.path(f"model-{stage}") for stage in STAGES}
    models["rl"] = state.path(f"model-rl-{fingerprint((), settings.rl)}")
    prepared = time.monotonic() - started
    prepared = state.step("prepare", lambda: {"seconds": prepared})["seconds"]

    def train_stage(stage: str, work: Callable[[], Encoder], *depends: object) -> None:
        console.rule(f"[bold]{stage}")
        state.step(f"train-{stage}", lambda: {"version": work().version}, *depends)

    train_stage("base", lambda: train.base_model(settings, models["base"], features))
    train_stage(
        "warmup",
        lambda: train.warmed_up_model(
            models["base"], splits.train, settings, models["warmup"], features, progress
        ),
    )
    train_stage(
        "sft",
        lambda: train.stage_one(models["warmup"], splits.train, settings, models["sft"], features, progress),
    )
    train_stage(
        "rl",
        lambda: train.rl_model(models["sft"], splits.train, settings, models["rl"], features, progress),
        settings.rl,
    )

    console.rule("[bold]evaluation")
    suite = build_suite(splits.test, settings.seed, extra=links_task)
    results = {}
    for stage, model in models.items():
        depends = (settings.evaluation, settings.rl) if stage == "rl" else (settings.evaluation,)
        results[stage] = state.step(
            f"evaluate-{stage}", partial(_measure, model, features, suite, settings, progress), *depends
        )
    tower = train.load_encoder(models["warmup"], settings, features)
    rankers: dict[str, Ranker] = {"BM25": Bm25(), "dual tower": LateFusion(tower, fusion="mean_max")}
    measured = settings.evaluation
    baselines = {
        name: state.step(
            f"baseline-{name.replace(' ', '-')}",
            partial(
                evaluate_baseline,
                ranker,
                suite,
                ks=measured.ks,
                bootstrap=measured.bootstrap,
                seed=settings.seed,
            ),
            measured,
        )
        for name, ranker in rankers.items()
    }

    console.rule("[bold]index")
    index = out / "index"

    def embed_and_load() -> Json:
        encoder = train.load_encoder(models["rl"], settings, features)
        shards = state.path("embeddings")
        failures = embed_entries(encoder, catalogue(notes), shards, progress)
        count = build_index(shards, models["rl"], index, settings.store, progress)
        return {"records": count, "failed": len(failures)}

    indexed = state.step("index", embed_and_load, settings.rl, settings.store)
    console.print(f"{indexed['records']} vectors searchable in {index}")

    state.seconds["prepare"] = round(prepared, 2)
    report = build_report(
        suite,
        results,
        baselines,
        timing_s={**state.seconds, "total": round(sum(state.seconds.values()), 1)},
        commands=_commands(notes_path, out, index, settings.seed),
    )
    report["dataset"] |= {
        "source": "built-in sample" if notes_path is None else notes_path.name,
        "corpus": {"notes": len(notes), "pictures": pictures},
        "splits": {name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
        "seed": settings.seed,
        "steps": {"sft": settings.sft.steps, "rl": settings.rl.steps},
    }
    training = {stage: models[stage] / "run" / "metrics.jsonl" for stage in ("sft", "rl")}
    page = write_report(
        out,
        report,
        suite,
        lambda picture: load_picture(picture, settings.corpus),
        {stage: path for stage, path in training.items() if path.is_file()},
    )
    console.print(summary_table(report))
    console.print(f"report  {page}\nsearch  {report['commands']['search']}", soft_wrap=True)
    return report


def _sample(folder: Path, seed: int) -> Path:
    path = folder / "notes.jsonl"
    return path if path.is_file() else write_sample(folder, SAMPLE_NOTES, seed)


def _measure(model: Path, features: Path, suite: Suite, settings: Settings, progress: bool) -> Json:
    return evaluate(
        train.load_encoder(model, settings, features),
        suite,
        ks=settings.evaluation.ks,
        bootstrap=settings.evaluation.bootstrap,
        seed=settings.seed,
        progress=progress,
    )


def _commands(notes_path: Path | None, out: Path, index: Path, seed: int) -> dict[str, str]:
    """What to type next, quoted for a shell."""
    again = ["uninote", "demo", "--out", str(out), "--seed", str(seed)]
    if notes_path is not None:
        again += ["--notes", str(notes_path)]
    search: list[Any] = ["uninote", "search", "--index", str(index), "--text", "a city street at night"]
    return {"search": shlex.join(search), "repeat": shlex.join(again)}
