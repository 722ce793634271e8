"""Hard evaluation of a model against baselines: near duplicates, links, languages, one modality.

    python benchmarks/hard_truth.py --notes path/to/notes.jsonl --model compact

On the test split of the seed, as `uninote evaluate --hard`; here group by group, so that a killed run leaves
the tables that were finished, in `benchmarks/results/hard-*.json`, with the 95 % interval over queries.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from rich.console import Console

from uninote.corpus.decode import load_picture
from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.evaluation.hard.methods import hard_methods
from uninote.evaluation.hard.run import evaluate_hard, hard_tasks
from uninote.evaluation.hard.terminal import terminal_tables
from uninote.evaluation.hard.view import TITLES, HardTable, hard_tables
from uninote.evaluation.tables import Cell, Measure, Table, write_table
from uninote.pipeline.notes import load_notes, split
from uninote.settings import load_settings

RESULTS = Path(__file__).parent / "results"


def as_table(table: HardTable, seed: int, command: str, note: str) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for row, bounds in zip(table.rows, table.bounds, strict=True):
        cells: list[Cell] = [row[0]]
        for value, bound in zip(row[1:], bounds, strict=True):
            low, high = bound or (None, None)
            cells.append(Measure(value=value, low=low, high=high) if isinstance(value, float) else None)
        rows.append(tuple(cells))
    columns = ("%", *table.columns[1:])
    title = f"{table.group}: {table.title}"
    return Table(title=title, columns=columns, rows=tuple(rows), seeds=(seed,), command=command, note=note)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--model", nargs="+", default=["compact"], help="model folders, or `compact`")
    parser.add_argument("--features", type=Path, default=None, help="cache of the outputs of the towers")
    parser.add_argument("--edited", type=int, default=100)
    parser.add_argument("--groups", nargs="+", default=[*TITLES], choices=[*TITLES], metavar="GROUP")
    parser.add_argument("--whole", action="store_true", help="all notes, not the test split")
    parser.add_argument("--name", default="hard", help="how result files begin")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings, console = load_settings(seed=arguments.seed), Console()
    notes = load_notes(arguments.notes, settings, SkipReport())
    if not arguments.whole:
        notes = split(notes, settings).test
    load = partial(load_picture, settings=settings.corpus)
    encoders = {
        Path(model).name: Encoder.load(model, feature_folder=arguments.features) for model in arguments.model
    }
    methods = hard_methods(encoders, load)
    command = (
        f"python benchmarks/hard_truth.py --notes {arguments.notes.name} --model "
        f"{' '.join(encoders)} --edited {arguments.edited} --seed {arguments.seed}"
        + (" --whole" if arguments.whole else "")
    )
    pictures = len({picture.digest for note in notes for picture in note.pictures})
    note = (
        f"{len(notes)} notes with {pictures} pictures, unseen in training; {arguments.edited} pictures "
        "were edited. Intervals are over queries, 95 %. A dash: the method cannot do it."
    )
    groups = hard_tasks(notes, load, queries=arguments.edited, seed=arguments.seed)
    for group in filter(groups.get, arguments.groups):
        tasks = groups[group]
        hard = evaluate_hard(methods, {group: tasks}, notes, ks=(1, 5, 10), seed=arguments.seed)
        for table in hard_tables(hard):
            name = f"{arguments.name}-{table.group.lower().replace(' ', '-')}"
            write_table(RESULTS / f"{name}.json", as_table(table, arguments.seed, command, note))
        for shown in terminal_tables(hard):
            console.print(shown)


if __name__ == "__main__":
    main()
