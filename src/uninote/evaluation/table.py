"""Terminal tables of a report's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import HORIZONTALS
from rich.console import Group
from rich.table import Table
from rich.text import Text

from uninote.evaluation.headline import MEANS, best_in_row, first_metric, told_apart_of
from uninote.evaluation.protocols import Json
from uninote.evaluation.variants import TOLD_APART, VARIANTS
from uninote.evaluation.view import part_rows, task_names


def summary_table(report: Json) -> Group:
    """Return the first metric of every task in percent, parts of its queries, and the means.

    The first table has the stages, with half of each interval; the second the last stage next to the
    baselines, if there are any. The best of a row is bold; a dash marks a task that a method cannot do.
    """
    stages, baselines = report["stages"], report.get("baselines", {})
    tables = [_table("recall@1, %", stages, intervals=True)]
    if baselines:
        last = list(stages)[-1]
        tables.append(_table("next to the baselines, %", {last: stages[last], **baselines}, intervals=False))
    return Group(*tables)


def _table(title: str, methods: Mapping[str, Json], intervals: bool) -> Table:
    names = {section: task_names(methods, section) for section in ("tasks", "extra")}
    graded = [task for tasks in names.values() for task in tasks if first_metric(task) == "precision@1"]
    graded = [task for task in graded if task not in VARIANTS]
    noted = f" ({' and '.join(graded)}: precision@1)" if graded else ""
    table = Table(
        title=title + noted,
        title_justify="left",
        header_style="bold",
        box=HORIZONTALS,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("task", min_width=18)
    for name in methods:
        width = None if intervals else 6
        table.add_column(Text(name), justify="right", min_width=6, max_width=width, overflow="fold")

    def add(name: str, entries: Sequence[Json | None], metric: str) -> None:
        best = best_in_row(entries, metric)
        cells = (_cell(entry, metric, i in best, intervals) for i, entry in enumerate(entries))
        table.add_row(name, *cells)

    for section, tasks in names.items():
        for task in tasks:
            entries = [method.get(section, {}).get(task) for method in methods.values()]
            add(task, entries, first_metric(task))
            if any(entry and TOLD_APART in entry for entry in entries):
                add(told_apart_of(task), entries, TOLD_APART)
    table.add_section()
    for row in part_rows({"stages": methods, "baselines": {}}):
        add(f"{row['task']} {row['part']} ({row['n_queries']:,})", row["entries"], "recall@1")
    table.add_section()
    for name in MEANS:
        means = [method.get("means", {}).get(name) for method in methods.values()]
        if any(means):
            add(f"mean of {name}", means, "mean")
    return table


def _cell(entry: Json | None, metric: str, best: bool, interval: bool) -> Text:
    if entry is None or "note" in entry:
        return Text("–", style="dim")
    text = Text(f"{100 * entry[metric]:.1f}", style="bold green" if best else "")
    if interval and (bounds := entry.get(f"{metric}_interval")):
        text.append(f" ±{50 * (bounds[1] - bounds[0]):.1f}", style="dim")
    return text
