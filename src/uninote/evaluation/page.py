"""Results page: every table and claim of a folder of JSON files, as Markdown with charts.

The conclusions are written by people in `summary.md` of that folder; the page shows them before the tables.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from uninote.errors import ConfigError
from uninote.evaluation.protocols import Json
from uninote.evaluation.table_charts import chart
from uninote.evaluation.tables import Table, read_table
from uninote.problems import problem_of

INTRODUCTION = """# Results

Made by `uninote bench page` from the JSON files in `{source}`; do not edit. Numbers are percent,
differences are points. Intervals are 95 % t intervals over seeds, which change the split, the draw of pairs,
the initial weights and the order of batches; differences to another row are taken seed by seed. No interval:
one seed.
"""


def write_page(folders: Sequence[Path], page: Path, order: Sequence[str] = ()) -> int:
    """Write the page, and its charts to `images/<name of the page>` in its folder; return the table count.

    Args:
        folders: folders of JSON files; a file that is neither a table nor a claim is ignored.
        order: names of tables that come first.

    Raises ConfigError when there is no table or a file is not readable JSON.
    """
    tables, claims = _read(folders)
    if not tables:
        raise ConfigError(f"no table of results in {', '.join(map(str, folders))}: run experiments first")
    names = sorted(tables, key=lambda name: (order.index(name) if name in order else len(order), name))
    images = page.parent / "images" / page.stem
    images.mkdir(parents=True, exist_ok=True)
    parts = [INTRODUCTION.format(source=folders[0].as_posix())]
    parts += [file.read_text("utf-8") for f in folders if (file := f / "summary.md").is_file()]
    if claims:
        parts.append("## Goals\n\n" + _claims(claims))
    for name in names:
        table = tables[name]
        parts.append(f"## {table.title}\n\n{table.markdown()}")
        drawing = chart(table)
        if drawing is not None:
            (images / f"{name}.svg").write_text(drawing, "utf-8")
            parts.append(f"![{table.title}](images/{page.stem}/{name}.svg)")
        facts = [table.note] if table.note else []
        if table.seeds:
            facts.append(f"Seeds: {', '.join(map(str, table.seeds))}.")
        if table.command:
            facts.append(f"Again: `{table.command}`")
        if facts:
            parts.append("\n".join(facts))
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", "utf-8")
    return len(tables)


def _read(folders: Sequence[Path]) -> tuple[dict[str, Table], list[Json]]:
    tables: dict[str, Table] = {}
    claims: list[Json] = []
    for file in sorted(file for folder in folders for file in folder.glob("*.json")):
        try:
            content = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file} is not readable: {problem_of(error)}") from error
        if not isinstance(content, dict):
            continue
        if {"title", "columns", "rows"} <= content.keys():
            tables[file.stem] = read_table(file)
        elif {"claim", "value"} <= content.keys():
            claims.append(content)
    return tables, claims


def _claims(claims: Sequence[Json]) -> str:
    lines = ["| claim | measured | goal |", "|---|---:|---:|"]
    for claim in claims:
        unit = f" {claim['unit']}" if claim.get("unit") else ""
        interval = claim.get("interval")
        span = f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
        goal = claim.get("goal")
        aim = f"{goal:g}{unit}" if goal is not None else "–"
        text = str(claim["claim"]).replace("|", "\\|")
        lines.append(f"| {text} | {claim['value']:.2f}{unit}{span} | {aim} |")
    return "\n".join(lines)
