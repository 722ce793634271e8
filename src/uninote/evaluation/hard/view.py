"""Tables and charts of the hard evaluation, shared by terminal, page and result files."""

from __future__ import annotations

from typing import NamedTuple

from uninote.evaluation.hard.duplicates import NOTES, PICTURES
from uninote.evaluation.hard.run import DUPLICATES, FILED, LANGUAGES, MODALITIES
from uninote.evaluation.protocols import Json
from uninote.evaluation.report_charts import recall_bars

TITLES = {
    DUPLICATES: "an edited picture finds its original, recall@1",
    FILED: "a note finds notes that people filed with it",
    LANGUAGES: "a note finds notes of its category in another language",
    MODALITIES: "the same queries whole, with texts alone, with pictures alone",
}
SHARE = "How much pictures count"


class HardTable(NamedTuple):
    """Table of one group. `rows`: name, then percent or None by method; `bounds`: their 95 % intervals."""

    group: str
    title: str
    columns: list[str]
    rows: list[list[str | float | None]]
    bounds: list[list[list[float] | None]]


def hard_tables(hard: Json) -> list[HardTable]:
    """Return one table per group, then one for the share of pictures, from the result of `evaluate_hard`."""
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
    """Return SVG bars of recall@1 by edit, one bar per method: among all pictures, and among all notes."""
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
    """Return value and interval by row name and method; a method that cannot do the task is left out."""
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
