"""Terminal tables of the hard evaluation."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from uninote.evaluation.hard.view import hard_tables
from uninote.evaluation.protocols import Json


def terminal_tables(hard: Json) -> Iterator[Table]:
    """Yield the tables in percent ± half the interval, the best of a row in bold.

    A dash marks a task that a method cannot do.
    """
    for table in hard_tables(hard):
        shown = Table(title=f"{table.group}: {table.title}, %", header_style="bold", title_justify="left")
        shown.add_column(table.columns[0])
        for name in table.columns[1:]:
            shown.add_column(Text(name), justify="right")
        for row, bounds in zip(table.rows, table.bounds, strict=True):
            values = [value for value in row[1:] if isinstance(value, float)]
            cells = []
            for value, bound in zip(row[1:], bounds, strict=True):
                if not isinstance(value, float):
                    cells.append(Text("–", style="dim"))
                    continue
                best = len(values) > 1 and value == max(values) > min(values)
                cells.append(Text(f"{value:.1f}", style="bold green" if best else ""))
                if bound:
                    cells[-1].append(f" ±{(bound[1] - bound[0]) / 2:.1f}", style="dim")
            shown.add_row(str(row[0]), *cells)
        yield shown
