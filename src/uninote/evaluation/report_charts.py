"""Charts of report.html, as inline SVG with CSS variables as colours, for light and dark mode.

Matplotlib knows no CSS: each variable is drawn in a colour of its own, which is then replaced in the SVG
text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from uninote.evaluation.headline import mean_recall
from uninote.evaluation.protocols import Json
from uninote.evaluation.svg import STYLE, log_axis, svg
from uninote.tasks.definitions import SINGLE_TARGET, Task, in_words

INK, MUTED, LINE = "#010101", "#020202", "#030303"
SERIES = tuple(f"#0400{i:02x}" for i in range(1, 7))
_VARIABLES = {INK: "--ink", MUTED: "--muted", LINE: "--line"} | {
    colour: f"--series-{i}" for i, colour in enumerate(SERIES)
}
_STYLE = {
    **STYLE,
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "axes.spines.left": False,
    "axes.grid.axis": "y",
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}


def recall_bars(stages: Mapping[str, Json]) -> str:
    """Draw recall@1 in percent by task, one bar per stage, with the 95 % interval."""
    tasks = list(dict.fromkeys(task for stage in stages.values() for task in stage["tasks"]))
    place = np.arange(len(tasks))
    width = 0.8 / max(len(stages), 1)
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(10.4, 3.7)
        for i, (name, stage) in enumerate(stages.items()):
            entries = [stage["tasks"].get(task, {"recall@1": np.nan}) for task in tasks]
            values = np.array([100 * entry["recall@1"] for entry in entries])
            bounds = np.array(
                [100 * np.array(e.get("recall@1_interval", [e["recall@1"]] * 2)) for e in entries]
            )
            at = place + (i - (len(stages) - 1) / 2) * width
            axes.bar(at, values, 0.88 * width, color=SERIES[i % len(SERIES)], label=name, zorder=2)
            axes.vlines(at, bounds[:, 0], bounds[:, 1], color=INK, linewidth=1.1, alpha=0.65, zorder=3)
        axes.set_xticks(place, tasks, color=INK)
        axes.set_xlim(-0.5, len(tasks) - 0.5)
        axes.set_ylabel("recall@1, %")
        axes.set_ylim(0)
        _legend(axes, len(stages))
        return _svg(figure)


def matryoshka_curves(stages: Mapping[str, Json]) -> str:
    """Draw the mean recall@1 of the tasks with one target against the Matryoshka dimension."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(5.2, 3.4)
        ticks: set[int] = set()
        for i, (name, stage) in enumerate(stages.items()):
            dims = sorted(int(dim) for dim in stage["dims"])
            values = [100 * mean_recall(stage["dims"][str(dim)]) for dim in dims]
            axes.plot(dims, values, marker="o", color=SERIES[i % len(SERIES)], label=name, linewidth=2)
            ticks |= set(dims)
        log_axis(axes, sorted(ticks))
        axes.set_xlabel("dimensions kept")
        axes.set_ylabel("mean recall@1, %")
        axes.set_ylim(0)
        _legend(axes, len(stages))
        return _svg(figure)


def cost_scatter(stages: Mapping[str, Json], baselines: Mapping[str, Json]) -> str:
    """Draw mean recall@1 against bytes per note: the last stage at each dimension, and every baseline."""
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(5.2, 3.4)
        name, stage = list(stages.items())[-1]
        dims = sorted(int(dim) for dim in stage["dims"])
        values = [100 * mean_recall(stage["dims"][str(dim)]) for dim in dims]
        sizes = [4 * dim for dim in dims]
        colour = SERIES[(len(stages) - 1) % len(SERIES)]
        axes.plot(sizes, values, marker="o", color=colour, linewidth=2, label=name)
        for i, (label, baseline) in enumerate(baselines.items()):
            size, quality = baseline["cost"]["bytes_per_note"], 100 * mean_recall(baseline["tasks"])
            if size > 0 and np.isfinite(quality):
                marker = "sD^vPX*"[i % 7]
                axes.plot([size], [quality], marker, color=MUTED, markersize=7, label=label, linestyle="none")
                sizes.append(size)
        powers = (4**power for power in range(1, 12))
        log_axis(axes, [tick for tick in powers if min(sizes) <= tick <= max(sizes)])
        axes.margins(x=0.1)
        axes.set_xlabel("bytes stored per note")
        axes.set_ylabel("mean recall@1, %")
        axes.set_ylim(0)
        _legend(axes, 2)
        return _svg(figure)


def stage_path(stages: Mapping[str, Json]) -> str:
    """Draw nDCG of Note2Note against the mean of the tasks with one target, stage by stage, with intervals.

    Returns an empty string when fewer than two stages have both.
    """
    name = in_words(SINGLE_TARGET)
    found = {
        stage: (result["means"][name], result["tasks"][Task.NOTE2NOTE])
        for stage, result in stages.items()
        if name in result.get("means", {}) and Task.NOTE2NOTE in result["tasks"]
    }
    if len(found) < 2:
        return ""
    metric = max((key for key in next(iter(found.values()))[1] if re.fullmatch(r"ndcg@\d+", key)), key=len)
    with mpl.rc_context(_STYLE):
        figure, axes = _figure(10.4, 3.7)
        across, up = zip(
            *((100 * mean["mean"], 100 * note[metric]) for mean, note in found.values()), strict=True
        )
        axes.plot(across, up, color=MUTED, linewidth=1.2, alpha=0.6, zorder=1)
        for i, (stage, (mean, note)) in enumerate(found.items()):
            x, y, colour = across[i], up[i], SERIES[i % len(SERIES)]
            if bounds := mean.get("mean_interval"):
                axes.hlines(y, *(100 * np.array(bounds)), color=colour, linewidth=1.1, alpha=0.65)
            if bounds := note.get(f"{metric}_interval"):
                axes.vlines(x, *(100 * np.array(bounds)), color=colour, linewidth=1.1, alpha=0.65)
            axes.plot([x], [y], "o", color=colour, markersize=9, label=stage)
        axes.set_xlabel(f"mean of the {name}, recall@1, %")
        axes.set_ylabel(f"Note2Note {metric.replace('ndcg', 'nDCG')}, %")
        _legend(axes, len(found))
        return _svg(figure)


def training_curves(records: Sequence[Mapping[str, object]], most: int = 6) -> str:
    """Draw one small chart for each number that was logged over steps, at most `most`, losses first.

    Returns an empty string when nothing was logged twice.
    """
    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        step = record.get("step")
        for key, value in record.items():
            if key not in ("step", "epoch") and _is_number(step) and _is_number(value):
                series.setdefault(key, []).append((float(step), float(value)))  # type: ignore[arg-type]
    keys = sorted(
        (key for key, points in series.items() if len(points) > 1), key=lambda k: ("loss" not in k, k)
    )
    keys = keys[:most]
    if not keys:
        return ""
    with mpl.rc_context(_STYLE):
        columns = min(3, len(keys))
        rows = -(-len(keys) // columns)
        figure = Figure(figsize=(3.5 * columns, 2.3 * rows), layout="constrained")
        for i, key in enumerate(keys):
            axes = figure.add_subplot(rows, columns, i + 1)
            steps, values = zip(*series[key], strict=True)
            axes.plot(steps, values, color=SERIES[0], linewidth=1.8)
            axes.set_title(key.replace("_", " "), color=INK)
            axes.set_xlabel("step")
        return _svg(figure)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, handlelength=1, borderaxespad=0.2)


def _svg(figure: Figure) -> str:
    """Return the `<svg>` element, scaling with its container, in the page's own font and colours."""
    text = re.sub(r"<metadata>.*?</metadata>", "", svg(figure), flags=re.DOTALL)
    text = re.sub(r' id="[a-zA-Z.]+_\d+"', "", text)  # unique in one chart, not in a page of several
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1; font-family: inherit", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
