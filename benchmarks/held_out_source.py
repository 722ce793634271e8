"""Transfer to an unseen source of notes: training on all sources but one, and a test on that one.

    python benchmarks/held_out_source.py --notes path/to/notes.jsonl --hold sharepoint

The source of a note is the part of its id before the colon. Notes of the held-out source that share
a picture, a link or their text with training notes are not measured. The table goes to `benchmarks/results/`;
models stay in `--out`, and a second call resumes from there.
"""

from __future__ import annotations

import argparse
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from uninote.corpus.order import seeded_rank
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import connected_groups
from uninote.encoder import Encoder
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import LateFusion
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.copies import rereading
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.headline import first_metric
from uninote.evaluation.suite import build_suite
from uninote.evaluation.tables import Measure, Table, write_table
from uninote.items import Note
from uninote.pipeline import train
from uninote.pipeline.budget import scaled_to
from uninote.pipeline.notes import load_notes
from uninote.settings import Settings, load_settings

RESULTS = Path(__file__).parent / "results"


def source_of(note: Note) -> str:
    return note.id.partition(":")[0]


def parted(notes: list[Note], held: str, most: int, seed: int) -> tuple[list[Note], list[Note]]:
    """Return the notes of the other sources, and at most `most` of the held-out one, tied to none of them."""
    training = [note for note in notes if source_of(note) != held]
    known = {note.id for note in training}
    tied = {i for group in connected_groups(notes) if group & known for i in group}
    test = [note for note in notes if source_of(note) == held and note.id not in tied]
    return training, sorted(test, key=lambda note: seeded_rank(note.id, seed))[:most]


def trained(out: Path, notes: list[Note], settings: Settings, features: Path, pairs: int) -> dict[str, Path]:
    """Return the folder of every stage by name, trained on `notes` where it does not exist yet."""
    stages = {name: out / name for name in ("untrained", "warmed up", "stage 1", "stage 2")}
    if not (stages["untrained"] / "uninote.json").is_file():
        train.base_model(settings, stages["untrained"], features)
    if not (stages["warmed up"] / "uninote.json").is_file():
        train.WARMUP_PAIRS = pairs
        train.warmed_up_model(stages["untrained"], notes, settings, stages["warmed up"], features, False)
    if settings.sft.steps == 0:
        del stages["stage 1"], stages["stage 2"]
    else:
        start, first, second = (stages[name] for name in ("warmed up", "stage 1", "stage 2"))
        mined = cache(partial(train.mined_examples, start, notes, settings, features))
        if not (first / "uninote.json").is_file():
            train.stage_one(start, notes, settings, first, features, False, mined())
        if not (second / "uninote.json").is_file():
            train.rl_model(first, notes, settings, second, features, False, mined())
    return stages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--hold", default="sharepoint")
    parser.add_argument("--out", type=Path, default=Path("work/held-out"))
    parser.add_argument("--features", type=Path, default=None)
    parser.add_argument("--most", type=int, default=200, help="notes measured")
    parser.add_argument("--pairs", type=int, default=5000, help="warm-up pairs of a task")
    parser.add_argument("--sft-steps", type=int, default=None, help="0: warm-up only; default: by notes")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    console, seed = Console(), arguments.seed
    overrides = {} if arguments.sft_steps is None else {"sft": {"steps": arguments.sft_steps}}
    settings = load_settings(seed=seed, **overrides)
    notes = load_notes(arguments.notes, settings, SkipReport())
    training, test = parted(notes, arguments.hold, arguments.most, seed)
    settings = scaled_to(settings, len(training))
    features = arguments.features or arguments.out / "features"
    console.print(f"{len(training)} notes to train, {len(test)} of {arguments.hold} to measure")

    stages = trained(arguments.out, training, settings, features, arguments.pairs)
    suite = build_suite(test, seed, reread=rereading(settings, features))
    found = {
        name: evaluate(Encoder.load(folder, feature_folder=features), suite, samples=0)
        for name, folder in stages.items()
    }
    found["BM25"] = evaluate_baseline(Bm25(), suite)
    tower = Encoder.load(stages["warmed up"], feature_folder=features)
    found["dual tower, best pair"] = evaluate_baseline(LateFusion(tower), suite)
    columns = {name: entries["tasks"] for name, entries in found.items()}
    rows: list[tuple[str | Measure, ...]] = []
    for task in suite.tasks:
        metric = first_metric(task.name)
        row: list[str | Measure] = [task.name if metric == "recall@1" else f"{task.name} P@1"]
        for entries in columns.values():
            low, high = entries[task.name][f"{metric}_interval"]
            value = entries[task.name][metric]
            row.append(
                Measure(value=round(100 * value, 1), low=round(100 * low, 1), high=round(100 * high, 1))
            )
        rows.append(tuple(row))
    order: list[str | Measure] = ["Note2Note nDCG@10"]
    for entries in columns.values():
        order.append(Measure(value=round(100 * entries["Note2Note"]["ndcg@10"], 1)))
    rows.append(tuple(order))
    for mean in ("seven", "nine", "ten"):
        values = (100 * entries["means"][mean]["mean"] for entries in found.values())
        rows.append((f"mean of {mean}", *(Measure(value=round(value, 1)) for value in values)))
    steps = "" if arguments.sft_steps is None else f" --sft-steps {arguments.sft_steps}"
    table = Table(
        title=f"A source that training never saw: {arguments.hold}",
        columns=("recall@1, %", *columns),
        rows=tuple(rows),
        seeds=(seed,),
        command=f"python benchmarks/held_out_source.py --notes {arguments.notes.name} "
        f"--hold {arguments.hold} --most {arguments.most} --pairs {arguments.pairs}{steps}",
        note=f"{len(training)} notes of the other sources train, {len(test)} notes of {arguments.hold} are "
        "measured; stage 2 is not merged with stage 1; intervals are over queries, 95 %.",
    )
    write_table(RESULTS / f"held-out-source-{arguments.hold}.json", table)
    console.print(table.markdown(), soft_wrap=True)


if __name__ == "__main__":
    main()
