"""Languages of models: how well each finds notes by text in English, in Chinese, and across the two.

    python benchmarks/languages.py --notes path/to/notes.jsonl --model compact path/to/model

In each language a title must find its body among all bodies, and the description of a picture its note
(T2Note) among all notes. Across languages, the description of a scene of the built-in sample must find that
of the same scene in the other language. `untrained` names the untrained compact model. The table goes to
`benchmarks/results/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.cut_tasks import pair_task
from uninote.evaluation.suite import Query, Suite, TaskSuite, distinct, merged
from uninote.evaluation.tables import Cell, Measure, Table, write_table
from uninote.items import Item, Note
from uninote.pipeline.notes import load_notes, split
from uninote.sample.pairs import scene_pairs
from uninote.settings import Settings, load_settings
from uninote.tasks.definitions import Task

RESULTS = Path(__file__).parent / "results"


def text_task(name: str, pairs: Sequence[tuple[str, str]]) -> TaskSuite:
    """Return the task in which the first text of each pair must find the second."""
    items = [(Item.of(query), Item.of(target)) for query, target in pairs]
    queries = (Query(query, "", {target.key: 1}) for query, target in items)
    return TaskSuite(name, Task.T2NOTE, merged(queries), distinct(target for _, target in items))


def tasks_of(notes: Sequence[Note], languages: Sequence[str], scenes: int, seed: int) -> list[TaskSuite]:
    """Return the tasks that have queries: two of each language, and both directions across languages."""
    tasks = []
    for lang in languages:
        own = [note for note in notes if note.lang == lang]
        titled = [(note.title, note.body) for note in own if note.title.strip() and note.body.strip()]
        described = pair_task(own, Task.T2NOTE, seed)
        tasks.append(text_task(f"{lang}: title → body", titled))
        name = f"{lang}: description → note"
        tasks.append(TaskSuite(name, Task.T2NOTE, described.queries, described.targets))
    english = scene_pairs(scenes, seed)
    tasks.append(text_task("scene: en → zh", english))
    tasks.append(text_task("scene: zh → en", [(chinese, text) for text, chinese in english]))
    return [task for task in tasks if task.queries]


def encoder_of(name: str, settings: Settings, features: Path) -> Encoder:
    if name == "untrained":
        return Encoder.build(settings.encoder, settings.corpus, features, settings.seed)
    return Encoder.load(name, corpus=settings.corpus, feature_folder=features)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--model", nargs="+", default=["untrained", "compact"], help="folders or names")
    parser.add_argument("--languages", nargs="+", default=["en", "zh"])
    parser.add_argument("--whole", action="store_true", help="all notes, not only the test split of the seed")
    parser.add_argument("--most", type=int, default=150, help="notes measured of a language")
    parser.add_argument("--scenes", type=int, default=200, help="scenes described in both languages")
    parser.add_argument("--features", type=Path, default=Path("work/languages"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings, console = load_settings(seed=arguments.seed), Console()
    loaded = load_notes(arguments.notes, settings, SkipReport())
    measured = loaded if arguments.whole else list(split(loaded, settings).test)
    by_language = (
        [note for note in measured if note.lang == lang][: arguments.most] for lang in arguments.languages
    )
    notes = [note for own in by_language for note in own]
    tasks = tasks_of(notes, arguments.languages, arguments.scenes, arguments.seed)
    columns = {}
    for name in arguments.model:
        ranker = OneVector(encoder_of(name, settings, arguments.features), progress=True)
        columns[name] = evaluate_baseline(ranker, Suite(tuple(notes), tuple(tasks)))["tasks"]
    rows: list[tuple[Cell, ...]] = []
    for task in tasks:
        cells: list[Cell] = [f"{task.name} ({len(task.queries)} among {len(task.targets)})"]
        for entries in columns.values():
            entry = entries[task.name]
            low, high = (round(100 * bound, 1) for bound in entry["recall@1_interval"])
            cells.append(Measure(value=round(100 * entry["recall@1"], 1), low=low, high=high))
        rows.append(tuple(cells))
    part = "all" if arguments.whole else f"the test split of seed {arguments.seed}"
    table = Table(
        title="Languages",
        columns=("recall@1, %", *(Path(name).name for name in columns)),
        rows=tuple(rows),
        seeds=(arguments.seed,),
        command=f"python benchmarks/languages.py --notes {arguments.notes.name} --model MODEL ..."
        + (" --whole" if arguments.whole else ""),
        note=f"Notes of {part}, at most {arguments.most} of a language; {arguments.scenes} scenes of the "
        "built-in sample, described in both languages. Intervals are over queries, 95 %.",
    )
    write_table(RESULTS / "languages.json", table)
    console.print(table.markdown(), soft_wrap=True)


if __name__ == "__main__":
    main()
