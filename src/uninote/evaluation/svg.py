"""SVG figures: style, axis and output shared by the charts of the report and of result tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

STYLE: Mapping[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "uninote",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
}
"""Settings of matplotlib; equal figures yield equal SVG text."""


def log_axis(axes: Axes, ticks: Sequence[int]) -> None:
    """Scale the x axis by powers of two, with a label at each of `ticks`."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())


def svg(figure: Figure) -> str:
    """Return the `<svg>` element of a figure, without a date."""
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
