"""Results table of several runs: rows of tasks and means, columns of methods, for README and results page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from uninote.errors import ConfigError
from uninote.evaluation.headline import first_metric
from uninote.evaluation.protocols import Json
from uninote.evaluation.tables import Cell, Measure, Table, over_seeds
from uninote.evaluation.variants import VARIANTS, Variant, changes_pool
from uninote.tasks.definitions import SINGLE_TARGET, UNEDITED, Task, in_words

COLUMNS = {
    "base": "untrained",
    "warmup": "warmed up",
    "sft": "stage 1",
    "rl": "stage 2",
    "BM25": "BM25",
    "dual tower, best pair": "dual tower, best pair",
    "dual tower, tuned": "dual tower, tuned",
    "dual tower, equal bytes": "dual tower, equal bytes",
}
"""Columns by the name of stage or baseline in a report."""

OF_THE_TEN = (*(in_words(tasks) for tasks in (UNEDITED, SINGLE_TARGET, Task)),)
"""The means whose rows stand between the tasks."""


def results_table(
    reports: Sequence[Json], more: Mapping[str, Sequence[Json]] | None = None, command: str = ""
) -> Table:
    """Build the table of `report.json` contents, one per seed: percent, means over seeds with t intervals.

    Args:
        more: reports of other runs by the name of their column, which holds their last stage.

    Rows are the tasks, their means, those of harder pools too, the strict tasks, and bytes a note. A cell
    is empty where a method cannot do a task or was not measured. Raises ConfigError for no reports.
    """
    if not reports:
        raise ConfigError("a table of results needs at least one report")
    columns = {
        title: [(report["stages"] | report["baselines"])[name] for report in reports]
        for name, title in COLUMNS.items()
        if name in reports[0]["stages"] | reports[0]["baselines"]
    }
    columns |= {name: [list(r["stages"].values())[-1] for r in runs] for name, runs in (more or {}).items()}
    last = list(reports[0]["stages"].values())[-1]
    rows: list[tuple[Cell, ...]] = [
        (title, *(_percent([_found(method, *path) for method in methods]) for methods in columns.values()))
        for title, *path in _paths(last)
    ]
    sizes = [np.mean([method["cost"]["bytes_per_note"] for method in runs]) for runs in columns.values()]
    rows.append(("bytes a note", *(f"{size:,.0f}" for size in sizes)))
    steps = reports[0]["dataset"].get("steps", {})
    return Table(
        title="Real notes: every task and method",
        columns=("task", *columns),
        rows=tuple(rows),
        seeds=tuple(report["dataset"]["seed"] for report in reports),
        command=command,
        note=", ".join(f"{name}: {count} steps" for name, count in steps.items()),
    )


def with_table(page: str, table: str) -> str:
    """Replace the first table between `<!-- results:start -->` and `<!-- results:end -->` of a page.

    Raises ConfigError when the page has no such table.
    """
    block = re.search(r"<!-- results:start -->.*?<!-- results:end -->", page, re.DOTALL)
    found = block and re.search(r"^\|.*\n(\|.*\n)+", block[0], re.MULTILINE)
    if block is None or found is None:
        raise ConfigError("the page has no table between <!-- results:start --> and <!-- results:end -->")
    start = block.start() + found.start()
    return page[:start] + table.rstrip("\n") + "\n" + page[start + len(found[0]) :]


def _paths(method: Json) -> list[tuple[str, ...]]:
    """Return title, section, entry and metric of every row, as far as the method was measured."""
    of_task = [(task.value, "tasks", task.value, "recall@1") for task in SINGLE_TARGET]
    parts = (
        [row for row in of_task if row[0] in UNEDITED],
        [row for row in of_task if row[0] not in UNEDITED],
        [
            ("Note2Note P@1", "tasks", "Note2Note", "precision@1"),
            ("Note2Note nDCG@10", "tasks", "Note2Note", "ndcg@10"),
        ],
    )
    rows: list[tuple[str, ...]] = []
    for part, name in zip(parts, OF_THE_TEN, strict=True):
        rows += [*part, (f"**mean of the {name}**", "means", name, "mean")]
    rows += [(f"mean of {name}", "means", name, "mean") for name in method["means"] if name not in OF_THE_TEN]
    for name, entry in method["extra"].items():
        if name not in VARIANTS or VARIANTS[name][1] is Variant.SAME_READING or changes_pool(name):
            continue
        task, variant = VARIANTS[name]
        rows.append((f"{task}, {variant}", "extra", name, first_metric(name)))
        special = [key for key, value in entry.items() if isinstance(value, float) and "@" not in key]
        rows += [(f"{task}, {variant}, {key}", "extra", name, key) for key in special]
    return [row for row in rows if _found(method, *row[1:]) is not None]


def _found(method: Json, section: str, name: str, metric: str) -> float | None:
    entry = method.get(section, {}).get(name, {})
    return None if "note" in entry else entry.get(metric)


def _percent(values: Sequence[float | None]) -> Measure | None:
    known = [100 * value for value in values if value is not None]
    if len(known) < len(values):
        return None
    exact = over_seeds(known).model_dump()
    return Measure(**{name: None if edge is None else round(edge, 4) for name, edge in exact.items()})
