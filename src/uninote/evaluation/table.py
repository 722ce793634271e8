"""Terminal table of a report's numbers."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from uninote.evaluation.headline import best_in_row, first_metric, mean_recall
from uninote.evaluation.protocols import Json
from uninote.tasks.definitions import SINGLE_TARGET, in_words


def summary_table(report: Json) -> Table:
    """Return the first metric of every task in percent ± half its interval, the best of a row in bold.

    Columns are stages, then baselines; a dash marks a task that a method cannot do.
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
            metric = first_metric(task)
            entries = [column.get(section, {}).get(task) for column in columns.values()]
            best = best_in_row(entries, metric)
            cells = [_cell(entry, metric, i in best) for i, entry in enumerate(entries)]
            table.add_row(task, *cells)
    table.add_section()
    means = [mean_recall(column["tasks"]) for column in columns.values()]
    table.add_row(f"mean of {in_words(SINGLE_TARGET)}", *(f"{100 * mean:.1f}" for mean in means))
    return table


def _cell(entry: Json | None, metric: str, best: bool) -> Text:
    if entry is None or "note" in entry:
        return Text("–", style="dim")
    text = Text(f"{100 * entry[metric]:.1f}", style="bold green" if best else "")
    if interval := entry.get(f"{metric}_interval"):
        text.append(f" ±{50 * (interval[1] - interval[0]):.1f}", style="dim")
    return text
