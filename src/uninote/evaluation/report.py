"""Evaluation report: report.json and report.html, a page that loads nothing from outside."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from uninote.environment import environment
from uninote.errors import ConfigError
from uninote.evaluation.hard.view import duplicate_charts, hard_tables
from uninote.evaluation.headline import headlines
from uninote.evaluation.protocols import Json
from uninote.evaluation.report_charts import (
    cost_scatter,
    matryoshka_curves,
    recall_bars,
    stage_path,
    training_curves,
)
from uninote.evaluation.results import write_json
from uninote.evaluation.suite import Suite
from uninote.evaluation.thumbnails import Thumbnails
from uninote.evaluation.view import (
    cost_rows,
    cutoffs,
    example_groups,
    graded_rows,
    mean_rows,
    part_rows,
    pool_rows,
    recall_rows,
)
from uninote.items import Item, Picture
from uninote.tasks.definitions import SINGLE_TARGET, Task, in_words

NO_HARD: Json = {"methods": [], "groups": {}, "picture_share": {}}

Load = Callable[[Picture], Image.Image]


def build_report(
    suite: Suite,
    stages: Mapping[str, Json],
    baselines: Mapping[str, Json] | None = None,
    *,
    timing_s: Mapping[str, float] | None = None,
    commands: Mapping[str, str] | None = None,
    hard: Json | None = None,
) -> Json:
    """Build the content of report.json.

    Args:
        stages: results of `evaluate` by stage name, in the order they were trained.
        baselines: results of `evaluate_baseline` by name.
        timing_s: seconds by step of the whole run.
        commands: exact command lines by purpose (search, repeat).
        hard: result of `evaluate_hard`.

    Raises ConfigError when there is no stage.
    """
    if not stages:
        raise ConfigError("a report needs at least one evaluated stage")
    return ({"hard": hard} if hard else {}) | {
        "dataset": suite.facts(),
        "stages": dict(stages),
        "baselines": dict(baselines or {}),
        "timing_s": dict(timing_s or {}),
        "environment": environment(),
        "commands": dict(commands or {}),
        "date": datetime.now(UTC).date().isoformat(),
    }


def write_report(
    folder: str | Path,
    report: Json,
    suite: Suite,
    load: Load,
    training: Mapping[str, Path] | None = None,
) -> Path:
    """Write `report.json` and `report.html` into `folder`; return the path of the page.

    Args:
        load: decodes a picture for its thumbnail.
        training: metrics file (JSON lines) by stage name.
    """
    folder = Path(folder)
    write_json(folder / "report.json", report)
    curves = {name: read_records(path) for name, path in (training or {}).items()}
    page = folder / "report.html"
    page.write_text(render_html(report, suite.items, load, curves), "utf-8")
    return page


def render_html(
    report: Json,
    items: Mapping[str, Item],
    load: Load,
    training: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
) -> str:
    """Render the page as one self-contained HTML document; all text of notes is escaped."""
    environment = Environment(
        loader=PackageLoader("uninote.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    stages, baselines = report["stages"], report["baselines"]
    thumbnails = Thumbnails(load)
    groups = example_groups(report, items, thumbnails)  # fills the thumbnails' style sheet
    curves = {name: training_curves(records) for name, records in (training or {}).items()}
    return environment.get_template("report.html.j2").render(
        report=report,
        stages=list(stages),
        baselines=list(baselines),
        cards=headlines(report),
        ks=cutoffs(report),
        rows=recall_rows(report),
        means=mean_rows(report),
        graded=graded_rows(report),
        parts=part_rows(report),
        pools=pool_rows(report),
        cost_rows=cost_rows(report),
        groups=groups,
        thumbnails=Markup(thumbnails.css),
        bars=Markup(recall_bars(stages)),
        matryoshka=Markup(matryoshka_curves(stages)),
        costs=Markup(cost_scatter(stages, baselines)),
        path=Markup(stage_path(stages)),
        training={name: Markup(svg) for name, svg in curves.items() if svg},
        all_tasks=in_words(Task),
        single_target=in_words(SINGLE_TARGET),
        hard=hard_tables(report["hard"]) if "hard" in report else [],
        duplicates={name: Markup(svg) for name, svg in duplicate_charts(report.get("hard", NO_HARD)).items()},
    )


def read_records(path: Path) -> list[dict[str, object]]:
    """Read the objects of a JSON Lines file; an incomplete line, as a killed run leaves it, is skipped."""
    records = []
    for line in path.read_text("utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
