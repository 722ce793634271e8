"""Options that commands share; settings and result of a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from uninote.errors import ConfigError
from uninote.files import check_output
from uninote.problems import yaml_problem
from uninote.settings import Settings, load_settings


def to_file(path: Path | None) -> Path | None:
    """Refuse a path where no file can be written, before any work is done for it; a callback of options."""
    return path and check_output(path, folder=False)


def to_folder(path: Path | None) -> Path | None:
    """Refuse a path where no folder can be written, as `to_file` does for files."""
    return path and check_output(path, folder=True)


Notes = Annotated[
    Path, typer.Argument(help="Notes: a .jsonl or .parquet file, a folder, or a saved `datasets` folder.")
]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="File of the result.", callback=to_file)]
OutFolder = Annotated[Path, typer.Option("--out", "-o", help="Folder of the result.", callback=to_folder)]
Cache = Annotated[
    Path,
    typer.Option(help="Annotations by picture; a rerun resumes from it.", callback=to_folder),
]
Model = Annotated[Path, typer.Option("--model", "-m", help="A trained model folder.")]
ModelOrShipped = Annotated[
    Path,
    typer.Option("--model", "-m", help="A trained model folder; `compact`: the model of the package."),
]
Config = Annotated[Path | None, typer.Option("--config", "-c", help="YAML file with any of the settings.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One option by its path, e.g. `--set sft.steps=100`; repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Seed of splits, sampling and training.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Whole = Annotated[bool, typer.Option("--whole", help="Use all notes instead of the split of this step.")]
Features = Annotated[
    Path | None,
    typer.Option(
        help="Folder that caches vision features by picture between runs.",
        callback=to_folder,
    ),
]

Relations = Annotated[
    Path | None,
    typer.Option(
        help="Related notes, CSV or Parquet: item, other, weight, or a log of user, item, time. "
        "By default, relations.csv or .parquet next to the notes."
    ),
]

Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Run on a Ray cluster: `local` starts one here, `auto` or HOST:PORT joins one. "
        "Needs `pip install 'uninote[ray]'`.",
    ),
]


def settings_from(
    config: Path | None,
    assignments: Sequence[str] | None,
    seed: int | None,
    relations: Path | None = None,
) -> Settings:
    """Load the settings of a call. Raises ConfigError for an assignment other than `section.field=value`."""
    overrides: dict[str, Any] = {} if seed is None else {"seed": seed}
    for assignment in assignments or ():
        path, equals, value = assignment.partition("=")
        *sections, field = path.split(".")
        if not equals or not all((*sections, field)):
            raise ConfigError(f"--set takes section.field=value, got {assignment!r}")
        place = overrides
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {path}: another --set gives the whole of {section}; leave one out")
        try:
            place[field] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {path}: the value is not valid YAML: {yaml_problem(error)}") from None
    if relations is not None:
        overrides.setdefault("relations", {})["file"] = str(relations)
    return load_settings(config, **overrides)


def emit(as_json: bool, result: dict[str, Any], text: str) -> None:
    """Print one result: JSON for a program, or a sentence for a person."""
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else text)
