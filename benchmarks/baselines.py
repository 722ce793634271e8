"""Tuned baselines against the one-vector model: tuned on validation notes, measured on test notes.

    python benchmarks/baselines.py --notes path/to/notes.jsonl --run work/real/seed-0

`--run` is a finished `uninote demo` of the same notes and seed: its warmed-up model gives the dual tower its
space. The weights of late fusion (pictures against texts, on either side) are tuned per task on the
validation split; k1 and b of BM25 are tuned there for all tasks together. The last rows state the cost of a
note in bytes, in encoder runs, and in processor time, which other work hardly changes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from uninote.corpus.decode import load_picture
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.evaluation.baselines.bm25 import item_words, tuned_bm25
from uninote.evaluation.baselines.late_fusion import LateFusion, picture_elements, text_elements
from uninote.evaluation.baselines.phash import perceptual_hash
from uninote.evaluation.baselines.ranker import Ranker, evaluate_baseline
from uninote.evaluation.baselines.report import report_baselines
from uninote.evaluation.baselines.tuned_fusion import Choice, TunedFusion
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.headline import first_metric
from uninote.evaluation.links import links_task
from uninote.evaluation.note_rows import near_rows
from uninote.evaluation.suite import build_suite
from uninote.evaluation.tables import Cell, Measure, Table, write_table
from uninote.evaluation.variants import changes_pool
from uninote.items import Note
from uninote.pipeline.notes import annotate, distractors_of, load_notes, split
from uninote.settings import load_settings

RESULTS = Path(__file__).parent / "results"
TIMED = 6
"""Notes whose cost is measured, after one that is not."""


def cpu_ms(store: Callable[[Note], object], notes: Sequence[Note]) -> float:
    """Measure processor milliseconds per note, with pictures decoded and encoded again."""
    store(notes[0])
    started = time.process_time()
    for note in notes[1 : TIMED + 1]:
        store(note)
    return 1000 * (time.process_time() - started) / len(notes[1 : TIMED + 1])


def costs(folder: Path, test: Sequence[Note], methods: Mapping[str, Ranker], load: Any) -> dict[str, Any]:
    """Measure bytes, encodes and milliseconds per note, by method. Encoders start without cached features."""
    one = Encoder.load(folder)

    def adding(fusion: LateFusion) -> Callable[[Note], object]:
        return lambda note: fusion.add([note.item()])

    # Methods that differ by the words after a comma store a note with the same work.
    stores: dict[str, Callable[[Note], object]] = {
        "UniNote": lambda note: one.encode([note.item()]),
        "dual tower": adding(LateFusion(Encoder.load(folder))),
        "text only": adding(LateFusion(Encoder.load(folder), elements=text_elements)),
        "pictures only": adding(LateFusion(Encoder.load(folder), elements=picture_elements)),
        "perceptual hash": adding(perceptual_hash(load)),
        "BM25": lambda note: item_words(note.item()),
    }
    ms = {name: cpu_ms(store, test) for name, store in stores.items()}
    found: dict[str, Any] = {"UniNote": {"bytes": 4 * one.dims[-1], "encodes": 1.0, "ms": ms["UniNote"]}}
    for name, ranker in methods.items():
        cost = ranker.cost(test)
        found[name] = {
            "bytes": cost["bytes_per_note"],
            "encodes": cost["vectors_per_note"],
            "ms": ms[name.partition(",")[0]],
        }
    return found


def percent(entry: Mapping[str, Any], metric: str) -> Measure:
    """Return a metric with its interval."""
    low, high = (round(100 * bound, 1) for bound in entry[f"{metric}_interval"])
    return Measure(value=round(100 * entry[metric], 1), low=low, high=high)


def described(choice: Choice | None) -> str:
    if choice is None or choice.in_query is None:
        return "untuned" if choice is None else choice.fusion
    return f"{choice.fusion}, {choice.in_query:g} / {choice.in_target:g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--model", default="compact", help="the one-vector model: a folder, or `compact`")
    parser.add_argument("--features", type=Path, default=None, help="default: those of the run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console, settings, skips = Console(), load_settings(seed=arguments.seed), SkipReport()
    (tower,) = arguments.run.glob("state/*/model-warmup")
    report = json.loads((arguments.run / "report.json").read_text("utf-8"))
    cache = arguments.run / "cache"
    loaded = annotate(load_notes(arguments.notes, settings, skips), settings, cache, skips, True)
    notes = split(loaded, settings)
    suite_of = partial(build_suite, seed=settings.seed, extra=[links_task], reread=rereading(settings, cache))
    validation = suite_of(notes.validation)
    near = near_rows(settings, cache / "features")
    test = suite_of(notes.test, distractors=distractors_of(notes, "test", settings), near=near)
    if test.fingerprint != report["dataset"]["suite"]:
        raise SystemExit(f"{arguments.run} is a run of other notes or another seed: measure it again")
    test = replace(test, extra=tuple(task for task in test.extra if not changes_pool(task.name)))

    load = partial(load_picture, settings=settings.corpus)
    features = arguments.features or cache / "features"
    encoder, model = (Encoder.load(each, feature_folder=features) for each in (tower, arguments.model))
    makers = report_baselines(encoder, max(model.dims), notes.test, lambda: validation, load)
    methods = {name: make() for name, make in makers.items()}
    for name, elements in (("text only", text_elements), ("pictures only", picture_elements)):
        methods[name] = fusion = TunedFusion(encoder, elements=elements)
        fusion.tune(validation)
    methods["BM25, tuned"] = bm25 = tuned_bm25(validation)
    tuned = {name: ranker for name, ranker in methods.items() if isinstance(ranker, TunedFusion)}
    ours = evaluate(model, test)
    columns: dict[str, Any] = {"UniNote": ours}
    columns |= {name: evaluate_baseline(ranker, test) for name, ranker in methods.items()}

    rows: list[tuple[Cell, ...]] = []
    for task in test.all_tasks:
        section, metric = ("tasks" if task in test.tasks else "extra"), first_metric(task.name)
        metrics = [metric, "ndcg@10"] if metric == "precision@1" else [metric]
        for each in metrics:
            cells: list[Cell] = [task.name if each == "recall@1" else f"{task.name} {each}"]
            for column in columns.values():
                entry = column[section][task.name]
                cells.append(None if "note" in entry else percent(entry, each))
            rows.append(tuple(cells))
    for name in ours["means"]:
        means = [column["means"][name] for column in columns.values()]
        rows.append((f"mean of {name}", *(percent(mean, "mean") for mean in means)))
    paid = costs(tower, notes.test, methods, load)
    for key, name in (("bytes", "bytes a note"), ("encodes", "encodes a note"), ("ms", "CPU ms a note")):
        rows.append((name, *(round(paid[column][key], 1) for column in columns)))
    table = Table(
        title="Baselines at their best",
        columns=("recall@1, %", *columns),
        rows=tuple(rows),
        seeds=(settings.seed,),
        command=f"python benchmarks/baselines.py --notes {arguments.notes.name} --run RUN "
        f"--seed {settings.seed}",
        note=f"{len(notes.test)} test notes; what is tuned (BM25: k1 {bm25.k1}, b {bm25.b}) is tuned on "
        f"{len(notes.validation)} validation notes, late fusion task by task. Every method gets the text "
        "read in pictures. Intervals are over queries, 95 %. A dash: the method cannot do it. Processor time "
        f"is of one thread, over {TIMED} notes.",
    )
    write_table(RESULTS / "baselines.json", table)
    chosen = Table(
        title="What tuning chose for late fusion",
        columns=("task", *tuned),
        rows=tuple(
            (task.name, *(described(fusion.choices.get(task.name)) for fusion in tuned.values()))
            for task in test.all_tasks
        ),
        seeds=(settings.seed,),
        command=table.command,
        note="Fusion of elements, then what pictures weigh in query / target; texts weigh the rest.",
    )
    write_table(RESULTS / "baselines-choices.json", chosen)
    console.print(table.markdown(), soft_wrap=True)


if __name__ == "__main__":
    main()
