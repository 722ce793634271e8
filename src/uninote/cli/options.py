"""Options that many commands share, and the settings and the result of a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from uninote.errors import ConfigError
from uninote.settings import Settings, load_settings

Notes = Annotated[
    Path, typer.Argument(help="Notes: a .jsonl or .parquet file, a folder, or a saved `datasets` folder.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]
Model = Annotated[Path, typer.Option("--model", "-m", help="A trained model folder.")]
ModelOrShipped = Annotated[
    Path,
    typer.Option("--model", "-m", help="A trained model folder; `compact`: the model of the package."),
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file that can hold every option.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One option by its path, e.g. `--set sft.steps=100`; repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of splits, sampling and training.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Whole = Annotated[
    bool, typer.Option("--whole", help="Use all notes, not only the split that is meant for this step.")
]
Features = Annotated[
    Path | None, typer.Option(help="Folder that keeps vision features by picture between runs.")
]

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Work on a Ray cluster: `local` starts one here, `auto` or HOST:PORT joins one. "
        "Needs `pip install 'uninote[ray]'`.",
    ),
]


def settings_from(config: Path | None, assignments: Sequence[str] | None, seed: int | None) -> Settings:
    """Settings of one call. Raises ConfigError for an assignment that is not `section.field=value`."""
    overrides: dict[str, Any] = {} if seed is None else {"seed": seed}
    for assignment in assignments or ():
        path, equals, value = assignment.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set takes section.field=value, got {assignment!r}")
        *sections, field = path.split(".")
        place = overrides
        for section in sections:
            place = place.setdefault(section, {})
        place[field] = yaml.safe_load(value)
    return load_settings(config, **overrides)


def emit(as_json: bool, result: dict[str, Any], text: str) -> None:
    """One result, as JSON for a program or as a sentence for a person."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)
