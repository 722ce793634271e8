"""Terminal table of a report's numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from uninote.evaluation.headline import MEANS, best_in_row, first_metric
from uninote.evaluation.protocols import Json
from uninote.evaluation.view import part_rows


def summary_table(report: Json) -> Table:
    """Return the first metric of every task in percent ± half its interval, the best of a row in bold.

    Below them are recall@1 of parts of the queries, and the means. Columns are stages, then baselines; a dash
    marks a task that a method cannot do.
    """
    columns = {**report["stages"], **report.get("baselines", {})}
    shown = {
        section: dict.fromkeys(task for column in columns.values() for task in column.get(section, {}))
        for section in ("tasks", "extra")
    }
    graded = [task for names in shown.values() for task in names if first_metric(task) == "precision@1"]
    noted = f" ({' and '.join(graded)}: precision@1)" if graded else ""
    table = Table(title=f"recall@1, %{noted}", header_style="bold", title_justify="left")
    table.add_column("task")
    for name in columns:
        table.add_column(Text(name), justify="right")
    for section, names in shown.items():
        for task in names:
            entries = [column.get(section, {}).get(task) for column in columns.values()]
            table.add_row(task, *_cells(entries, first_metric(task)))
    table.add_section()
    for row in part_rows({"baselines": {}} | report):
        name = f"{row['task']}, {row['part']} ({row['n_queries']:,})"
        table.add_row(name, *_cells(row["entries"], "recall@1"))
    table.add_section()
    for name in MEANS:
        means = [column.get("means", {}).get(name) for column in columns.values()]
        if any(means):
            table.add_row(f"mean of {name}", *_cells(means, "mean"))
    return table


def _cells(entries: Sequence[Json | None], metric: str) -> list[Text]:
    best = best_in_row(entries, metric)
    return [_cell(entry, metric, i in best) for i, entry in enumerate(entries)]


def _cell(entry: Json | None, metric: str, best: bool) -> Text:
    if entry is None or "note" in entry:
        return Text("–", style="dim")
    text = Text(f"{100 * entry[metric]:.1f}", style="bold green" if best else "")
    if interval := entry.get(f"{metric}_interval"):
        text.append(f" ±{50 * (interval[1] - interval[0]):.1f}", style="dim")
    return text
