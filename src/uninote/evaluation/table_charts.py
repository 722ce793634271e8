"""Charts of result tables, as SVG files of the documentation that suit light and dark pages."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.figure import Figure

from uninote.evaluation.svg import STYLE, log_axis, svg
from uninote.evaluation.tables import Cell, Measure, Table

PAGE_STYLE = {
    **STYLE,
    "font.family": "sans-serif",
    "font.size": 10,
    "grid.color": "#d8d8d8",
    "figure.facecolor": "white",
}
COLOURS = ("#3b6fb6", "#c9702b", "#3f8f5f", "#8a5ea8", "#b0474f", "#6b6b6b")


def chart(table: Table) -> str | None:
    """Draw lines if the columns are numbers (a table over dimensions), else bars of the first column.

    Returns None when a table has fewer than two numbers to compare.
    """
    places = [n for n, name in enumerate(table.columns) if _number(name) is not None]
    with mpl.rc_context(PAGE_STYLE):
        return _lines(table, places) if len(places) > 1 else _bars(table)


def _number(column: str) -> int | None:
    """Return 64 for `64` and for `dim 64`, None for any other name."""
    last = column.split()[-1:] if column.startswith("dim ") else [column]
    return int(last[0]) if last and last[0].isdecimal() else None


def _bars(table: Table) -> str | None:
    rows = [(str(row[0]), found) for row in table.rows if (found := _measure(row[1])) is not None]
    if len(rows) < 2:
        return None
    figure = Figure(figsize=(7, 0.9 + 0.34 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for place, (_, measure) in enumerate(rows):
        axes.barh(place, measure.value, 0.7, color=COLOURS[0])
        if measure.low is not None and measure.high is not None:
            axes.hlines(place, measure.low, measure.high, color="#222222", linewidth=1.2)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(table.columns[1])
    return page_svg(figure)


def _lines(table: Table, places: list[int]) -> str | None:
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    drawn = 0
    for number, row in enumerate(table.rows):
        points = [
            (size, found)
            for place in places
            if (found := _measure(row[place])) is not None
            and (size := _number(table.columns[place])) is not None
        ]
        if len(points) < 2:
            continue
        drawn += 1
        colour = COLOURS[number % len(COLOURS)]
        axes.plot(
            *zip(*((x, y.value) for x, y in points), strict=True), "o-", color=colour, label=str(row[0])
        )
        for x, y in points:
            if y.low is not None and y.high is not None:
                axes.vlines(x, y.low, y.high, color=colour, alpha=0.6)
    if not drawn:
        return None
    sizes = [size for place in places if (size := _number(table.columns[place])) is not None]
    log_axis(axes, sizes)
    axes.set_xlabel("dimensions kept")
    axes.legend(loc="lower right")
    return page_svg(figure)


def _measure(cell: Cell) -> Measure | None:
    if isinstance(cell, Measure):
        return cell
    return Measure(value=cell) if isinstance(cell, int | float) else None


def page_svg(figure: Figure) -> str:
    """Return the figure as the text of an SVG file, without spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in svg(figure).splitlines()) + "\n"
