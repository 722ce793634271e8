"""The harder truth as plain tables, which terminal, page and result files show alike."""

from __future__ import annotations

from typing import NamedTuple

from uninote.evaluation.hard.duplicates import NOTES, PICTURES
from uninote.evaluation.hard.run import DUPLICATES, FILED, LANGUAGES, MODALITIES
from uninote.evaluation.protocols import Json
from uninote.evaluation.report_charts import recall_bars

TITLES = {
    DUPLICATES: "an edited picture finds its original, recall@1",
    FILED: "a note finds notes that people put beside it",
    LANGUAGES: "a note finds notes of its category in another language",
    MODALITIES: "the same queries whole, with texts alone, with pictures alone",
}
SHARE = "How much pictures count"


class HardTable(NamedTuple):
    """`rows`: a name, then the value of every method in percent or None; `bounds`: their 95 % intervals."""

    group: str
    title: str
    columns: list[str]
    rows: list[list[str | float | None]]
    bounds: list[list[list[float] | None]]


def hard_tables(hard: Json) -> list[HardTable]:
    """One table a group, then one for the share of pictures; of what `evaluate_hard` returned."""
    methods = hard["methods"]
    tables = [
        _table(name, TITLES.get(name, ""), methods, _metrics(tasks)) for name, tasks in hard["groups"].items()
    ]
    if hard["picture_share"]:
        shares = {
            task: {method: (values["share"], values.get("interval")) for method, values in of_method.items()}
            for task, of_method in hard["picture_share"].items()
        }
        encoders = [m for m in methods if any(m in of_method for of_method in shares.values())]
        title = "share of the score's movement when pictures, or texts, are swapped"
        tables.append(_table(SHARE, title, encoders, shares))
    return tables


def duplicate_charts(hard: Json) -> dict[str, str]:
    """SVG bars of recall@1 by edit, one bar a method: among all pictures, and among all notes."""
    tasks = hard["groups"].get(DUPLICATES, {})
    charts = {}
    for pool in (PICTURES, NOTES):
        end = f": {pool}"
        stages = {
            method: {
                "tasks": {
                    name.removesuffix(end): entries[method]
                    for name, entries in tasks.items()
                    if name.endswith(end) and "note" not in entries.get(method, {"note": ""})
                }
            }
            for method in hard["methods"]
        }
        seen = {name: stage for name, stage in stages.items() if stage["tasks"]}
        if seen:
            charts[f"among all {pool}s"] = recall_bars(seen)
    return charts


Cells = dict[str, dict[str, tuple[float, list[float] | None]]]


def _metrics(tasks: Json) -> Cells:
    """By row name: value and interval of every method; a method that is blind to the task has none."""
    rows: Cells = {}
    for task, of_method in tasks.items():
        entries = {method: entry for method, entry in of_method.items() if "note" not in entry}
        graded = any("precision@1" in entry for entry in of_method.values())
        ndcg = next((key for e in of_method.values() for key in e if key.startswith("ndcg@")), "")
        for metric in ("precision@1", ndcg) if graded else ("recall@1",):
            name = f"{task}, {metric.replace('ndcg', 'nDCG')}" if graded else task
            rows[name] = {
                method: (entry[metric], entry.get(f"{metric}_interval")) for method, entry in entries.items()
            }
    return rows


def _table(group: str, title: str, methods: list[str], cells: Cells) -> HardTable:
    rows: list[list[str | float | None]] = []
    bounds: list[list[list[float] | None]] = []
    for name, of_method in cells.items():
        found = [of_method.get(method) for method in methods]
        rows.append([name, *(None if cell is None else round(100 * cell[0], 1) for cell in found)])
        bounds.append(
            [
                None if cell is None or cell[1] is None else [round(100 * bound, 1) for bound in cell[1]]
                for cell in found
            ]
        )
    return HardTable(group, title, ["", *methods], rows, bounds)
