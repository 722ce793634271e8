"""Whole pipeline in one call: from notes to models, measurements, a report and a searchable index."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from rich.console import Console

from uninote.corpus.decode import load_picture
from uninote.corpus.relations.behaviour import Behaviour
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import Splits
from uninote.encoder.capabilities import CachesPictures
from uninote.encoder.loading import load_encoder
from uninote.encoder.registry import backbone_class
from uninote.errors import NoteError
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.baselines.report import report_baselines
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.links import links_task
from uninote.evaluation.note_rows import near_rows
from uninote.evaluation.relations import relation_tasks
from uninote.evaluation.report import build_report, write_report
from uninote.evaluation.suite import Suite, build_suite
from uninote.evaluation.table import summary_table
from uninote.items import Note
from uninote.pipeline.budget import scaled_to
from uninote.pipeline.embed import catalogue, embed_entries
from uninote.pipeline.index import build_index, planned_layout
from uninote.pipeline.notes import annotate, distractors_of, drop_unreadable, load_notes, split
from uninote.pipeline.relations import described, load_behaviour
from uninote.pipeline.stages import train_stages
from uninote.pipeline.state import Json, RunState, fingerprint
from uninote.settings import Settings

SAMPLE_NOTES = 200
FEATURES = Path("cache") / "features"
LATER = {"relations", "rl", "evaluation", "store", "service", "stream", "cluster"}
"""Sections that no step reads, or only steps that name them as their dependency; the relations have a key."""


@dataclass(frozen=True)
class _Prepared:
    """Notes ready for training, and settings with steps scaled to them."""

    notes: list[Note]
    splits: Splits
    settings: Settings
    behaviour: Behaviour | None
    seconds: float

    @property
    def pictures(self) -> int:
        return sum(len(note.pictures) for note in self.notes)


def run_demo(
    notes_path: Path | None, out: Path, settings: Settings, console: Console, progress: bool = True
) -> Json:
    """Run or resume the pipeline in `out`. Returns the content of `report.json`.

    Pictures' features and OCR are cached by content and outlive a change of settings; trained models and
    measurements belong to one set of notes and settings.
    """
    settings.encoder.require_own()
    planned_layout(out / "index", settings.store, settings.encoder.dims)  # raises before the long work
    out.mkdir(parents=True, exist_ok=True)
    prepared = _prepare(notes_path, out, settings, console, progress)
    notes, splits, settings = prepared.notes, prepared.splits, prepared.settings
    behaviour = prepared.behaviour
    relations = behaviour.training(splits.train) if behaviour else None

    # Later steps depend on settings of their own: changing those keeps the long steps before.
    known = (behaviour.key,) if behaviour else ()
    state = RunState(out, fingerprint(notes, settings.model_dump(exclude=LATER), *known))
    # Seconds of the first run: a later one finds the features in the cache.
    first = state.step("prepare", lambda: {"seconds": prepared.seconds})
    reread = rereading(settings, out / "cache", progress)
    extra = [links_task, *relation_tasks(behaviour)]
    suite_of = partial(build_suite, seed=settings.seed, extra=extra, reread=reread)

    @cache
    def validation() -> Suite | None:
        try:
            return suite_of(splits.validation)
        except NoteError:  # too few notes for any query
            return None

    models, share = train_stages(
        state, splits.train, relations, validation, settings, out / FEATURES, console, progress
    )

    console.rule("[bold]evaluation")
    near = near_rows(settings, out / FEATURES, progress)
    suite = suite_of(splits.test, distractors=distractors_of(splits, "test", settings), near=near)
    measured = (settings.evaluation, *(() if near else ("no near misses",)))  # its package may come later
    results, baselines = _evaluate(
        state, models, suite, validation, settings, out / FEATURES, measured, progress
    )

    console.rule("[bold]index")
    index = out / "index"

    def embed_and_load() -> Json:
        encoder = load_encoder(models["rl"], settings, out / FEATURES)
        shards = state.path("embeddings")
        failures = embed_entries(encoder, catalogue(notes), shards, progress)
        built = build_index(shards, models["rl"], index, settings.store, progress, notes)
        return {"records": built.count, "failed": len(failures) + len(built.left_out)}

    indexed = state.step("index", embed_and_load, settings.rl, settings.store)
    console.print(f"{indexed['records']} vectors searchable in {index}", soft_wrap=True)

    seconds = {**state.seconds, "prepare": round(first["seconds"], 2)}
    report = build_report(
        suite,
        results,
        baselines,
        timing_s={**seconds, "total": round(sum(seconds.values()), 1)},
        commands=_commands(notes_path, out, _sample_query(suite.notes), settings),
    )
    report["dataset"] |= {
        "source": "built-in sample" if notes_path is None else notes_path.name,
        "corpus": {"notes": len(notes), "pictures": prepared.pictures},
        "splits": {name: len(getattr(splits, name)) for name in ("train", "validation", "test")},
        "seed": settings.seed,
        "steps": {"sft": settings.sft.steps, "rl": settings.rl.steps},
        "share_of_stage_2": share,
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


def _prepare(
    notes_path: Path | None, out: Path, settings: Settings, console: Console, progress: bool
) -> _Prepared:
    """Read, filter, annotate and split the notes, and cache the features of all pictures."""
    started = time.monotonic()
    console.rule("[bold]notes")
    skips = SkipReport()
    source = notes_path or _sample(out / "sample", settings.seed)
    notes = load_notes(source, settings, skips)
    notes = annotate(notes, settings, out / "cache", skips, progress)
    notes = drop_unreadable(notes, settings.corpus, skips, progress)
    _cache_pictures(notes, settings, out / FEATURES, progress)
    behaviour = load_behaviour(source, notes, settings, skips)
    skips.write(out / "skipped.jsonl")
    splits = split(notes, settings)
    settings = scaled_to(settings, len(splits.train))
    prepared = _Prepared(notes, splits, settings, behaviour, time.monotonic() - started)
    console.print(
        f"{len(notes)} notes with {prepared.pictures} pictures: {len(splits.train)} to train, "
        f"{len(splits.validation)} to validate, {len(splits.test)} to test; {len(skips)} items left out"
        + (f" (see {out / 'skipped.jsonl'})" if len(skips) else ""),
        soft_wrap=True,
    )
    if behaviour:
        console.print(described(behaviour, splits), soft_wrap=True)
    return prepared


def _cache_pictures(notes: Sequence[Note], settings: Settings, features: Path, progress: bool) -> None:
    """Compute the vision features of all pictures once, where the backbone keeps any."""
    backbone = backbone_class(type(settings.encoder))
    if issubclass(backbone, CachesPictures):
        pictures = [picture for note in notes for picture in note.pictures]
        backbone.cache_pictures(settings.encoder, settings.corpus, features, pictures, progress)


def _evaluate(
    state: RunState,
    models: dict[str, Path],
    suite: Suite,
    validation: Callable[[], Suite | None],
    settings: Settings,
    features: Path,
    measured: tuple[object, ...],
    progress: bool,
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Measure every stage, and the baselines, on the same suite; baselines are tuned on `validation`.

    measured: what the suite and its metrics depend on, in addition to the notes.
    """
    options: dict[str, Any] = {
        "ks": settings.evaluation.ks,
        "bootstrap": settings.evaluation.bootstrap,
        "seed": settings.seed,
    }
    results: dict[str, Json] = {}
    for stage, model in models.items():
        depends = (*measured, settings.rl) if stage == "rl" else measured

        def measure(model: Path = model) -> Json:
            encoder = load_encoder(model, settings, features)
            return evaluate(encoder, suite, progress=progress, **options)

        results[stage] = state.step(f"evaluate-{stage}", measure, *depends)
    tower = load_encoder(models.get("warmup", models["base"]), settings, features)
    rankers = report_baselines(
        tower,
        results["rl"]["cost"]["dim"],
        suite.notes,
        validation,
        partial(load_picture, settings=settings.corpus),
    )
    baselines = {
        name: state.step(
            f"baseline-{name.replace(',', '').replace(' ', '-')}",
            lambda make=make: evaluate_baseline(make(), suite, **options),  # type: ignore[misc]
            *measured,
        )
        for name, make in rankers.items()
    }
    return results, baselines


def _sample(folder: Path, seed: int) -> Path:
    from uninote.sample.notes import write_sample  # an extra

    path = folder / "notes.jsonl"
    return path if path.is_file() else write_sample(folder, SAMPLE_NOTES, seed)


def _sample_query(notes: Sequence[Note]) -> str:
    """Choose a held-out title to search for; an English one if any, which the compact model reads best."""
    titled = [note for note in notes if note.title.strip()]
    english = [note for note in titled if note.lang in ("", "en")]
    return (english or titled)[0].title if titled else "a city street at night"


def _commands(notes_path: Path | None, out: Path, text: str, settings: Settings) -> dict[str, str]:
    """Return the next commands, quoted for a shell, with the program's path where it is not on PATH."""
    called = Path(sys.argv[0])
    on_path = shutil.which("uninote") == str(called.absolute()) or called.name != "uninote"
    program = "uninote" if on_path else str(called)
    again = [program, "demo", "--out", str(out), "--seed", str(settings.seed)]
    if notes_path is not None:
        again += ["--notes", str(notes_path)]
    if settings.relations.file:
        again += ["--relations", settings.relations.file]
    search = [program, "search", "--index", str(out / "index"), "--text", text]
    return {"search": shlex.join(search), "repeat": shlex.join(again)}
