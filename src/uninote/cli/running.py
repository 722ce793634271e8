"""Commands `demo` and `info`: the whole pipeline; environment, models and settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console

from uninote.cli.options import AsJson, Config, OutFolder, Quiet, Relations, Seed, Set, settings_from
from uninote.errors import ConfigError
from uninote.extras import require
from uninote.problems import problem_of

app = typer.Typer()


@app.command()
def demo(
    notes: Annotated[Path | None, typer.Option(help="Your notes; by default, the built-in sample.")] = None,
    out: OutFolder = Path("demo"),
    relations: Relations = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the pipeline from notes through both stages to a report and an index. Resumes after a kill."""
    settings = settings_from(config, set_, seed, relations)
    reader = ["ocr"] if settings.annotate.ocr == "rapidocr" else []
    require("data", "evaluate", *reader, "store", "train", *([] if notes else ["sample"]))
    from uninote.pipeline.demo import run_demo

    console = Console(stderr=as_json)
    report = run_demo(notes, out, settings, console, not quiet)
    if as_json:
        brief = {key: report[key] for key in ("dataset", "timing_s", "commands")}
        typer.echo(json.dumps(brief | {"report": str(out / "report.html")}, ensure_ascii=False))


@app.command()
def info(
    folder: Annotated[
        Path | None, typer.Argument(help="A model or index folder, or a shipped model's name.")
    ] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Show environment, shipped models and all settings, or the metadata of a model or index folder."""
    from uninote.encoder.saved import BACKBONE_FILE, FILE
    from uninote.environment import environment
    from uninote.shipped import model_folder, shipped_models

    if folder is None:
        models = {name: _shipped(path) for name, path in shipped_models().items()}
        settings = settings_from(config, set_, None).model_dump()
        result = {"environment": environment(), "models": models, "settings": settings}
    else:
        folder = model_folder(folder)
        # As stored, without `Saved`: a model of another rendering, which cannot be loaded, is shown as well.
        names = (FILE, BACKBONE_FILE, "index.json", "manifest.json")
        result = {name: _stored(folder / name) for name in names if (folder / name).is_file()}
        if not result:
            raise ConfigError(f"{folder} is neither a model, an index nor an embeddings folder")
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else yaml.safe_dump(result, sort_keys=False))


def _stored(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read: {problem_of(error)}; copy or make the folder again"
        ) from error


def _shipped(folder: Path) -> dict[str, Any]:
    from uninote.encoder.saved import Saved

    saved = Saved(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    return {
        "version": saved.version,
        "dim": saved.dim,
        "bytes": size,
        "card": str(folder / "README.md"),
    }
