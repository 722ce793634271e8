"""Charts of the main results, as SVG files of the documentation that suit light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from uninote.evaluation.protocols import Json
from uninote.evaluation.svg import log_axis
from uninote.evaluation.table_charts import COLOURS, PAGE_STYLE, page_svg

STAGES = {"stage 1": ("o", "--"), "stage 2": ("s", "-")}
"""Marker and line of a stage of training."""
BYTES = tuple(4**power for power in range(1, 12))


def seesaw(lines: Sequence[Json], suite: str = "test") -> str:
    """Draw nDCG@10 of Note2Note against the mean of the nine, a line per stage, a colour per name.

    A stage ends at its large marker; small ones are measurements along the way.

    Args:
        lines: `name`, `stage` (of `STAGES`) and `points` (`step` and, by suite, `nine` and `ndcg@10` as
            shares).
        suite: whose measurements are drawn.
    """
    names = list(dict.fromkeys(line["name"] for line in lines))
    with mpl.rc_context(PAGE_STYLE):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.add_subplot()
        seen: set[str] = set()
        for line in lines:
            name, stage = line["name"], line["stage"]
            label = stage if name == stage else f"{stage}, {name}"
            colour = COLOURS[names.index(name) % len(COLOURS)]
            marker, style = STAGES[stage]
            across, up = (
                [100 * point[suite][metric] for point in line["points"]] for metric in ("nine", "ndcg@10")
            )
            axes.plot(
                *(across, up, style),
                marker=marker,
                markersize=3.5,
                linewidth=1.4,
                color=colour,
                label=None if label in seen else label,
            )
            axes.plot(across[-1:], up[-1:], marker, markersize=9, color=colour)
            seen.add(label)
        axes.legend(loc="best")
        axes.set_xlabel("mean of the nine, recall@1, %")
        axes.set_ylabel("Note2Note nDCG@10, %")
        return page_svg(figure)


def quality_bytes(methods: Sequence[Json], means: Sequence[str] = ("seven", "ten")) -> str:
    """Draw means in percent against bytes a note: a panel per mean, a line or point per method.

    Methods whose names differ after a comma only have one colour.

    Args:
        methods: `name` and `points`, each with `bytes` and, by mean, a dumped `tables.Measure`.
        means: names of `headline.MEANS`.
    """
    families = list(dict.fromkeys(map(_family, methods)))
    with mpl.rc_context(PAGE_STYLE):
        figure = Figure(figsize=(9, 4.4), layout="constrained")
        panels = figure.subplots(1, len(means), squeeze=False)[0]
        for axes, mean in zip(panels, means, strict=True):
            sizes: list[float] = []
            for number, method in enumerate(methods):
                colour = COLOURS[families.index(_family(method)) % len(COLOURS)]
                marker = "osD^vPX*"[number % 8]
                points = sorted(method["points"], key=lambda point: point["bytes"])
                across, up = zip(*((p["bytes"], p[mean]["value"]) for p in points), strict=True)
                axes.plot(across, up, f"{marker}-", color=colour, markersize=6, label=method["name"])
                for point in points:
                    if (low := point[mean]["low"]) is not None:
                        axes.vlines(point["bytes"], low, point[mean]["high"], color=colour, alpha=0.6)
                sizes += across
            log_axis(axes, [tick for tick in BYTES if min(sizes) / 2 <= tick <= 2 * max(sizes)])
            axes.set_title(f"mean of the {mean}, %")
            axes.set_xlabel("bytes stored per note")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return page_svg(figure)


def _family(method: Json) -> str:
    return str(method["name"]).partition(",")[0]
