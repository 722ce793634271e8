"""Commands `bench list`, `bench run`, `bench page`: experiments, and the page of their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from uninote.cli.options import AsJson, Config, Quiet, Relations, Set, emit, settings_from
from uninote.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, help="Experiments: ablations of the method from raw notes, and their page."
)

RESULTS = Path("benchmarks/results/experiments")
Results = Annotated[Path, typer.Option("--results", help="Folder of the result files.")]


@app.command("list")
def list_experiments(as_json: AsJson = False) -> None:
    """List the built-in experiments."""
    from uninote.pipeline.bench.definition import built_in, load_experiment

    found = {name: load_experiment(name) for name in built_in()}
    lines = [f"{name:16} {e.title} ({len(e.variants)} variants)" for name, e in found.items()]
    titles = {name: {"title": e.title, "variants": list(e.variants)} for name, e in found.items()}
    emit(as_json, titles, "\n".join(lines))


@app.command("run")
def run(
    notes: Annotated[Path, typer.Option(help="Notes to split, train on and measure with.")],
    experiments: Annotated[
        list[str] | None, typer.Argument(help="Built-in names or YAML files; all built-in ones if none.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Caches, models and finished runs.")] = Path(
        "work/bench"
    ),
    results: Results = RESULTS,
    seeds: Annotated[str, typer.Option(help="Instead of the experiments' own, e.g. `0,1,2`.")] = "",
    split: Annotated[
        str, typer.Option(help="Split to measure on: test, or validation to choose settings.")
    ] = "test",
    finished: Annotated[
        bool, typer.Option("--finished", help="Train nothing: write tables of the finished runs.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes that train at once, of one thread each; they share a GPU.")
    ] = 1,
    relations: Relations = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train and measure every variant with every seed; finished runs are kept.

    The compact model is trained: its towers run once per element, so a run takes minutes. Training options
    that you set hold for all variants that do not compare them.
    """
    from uninote.pipeline.bench.definition import built_in, load_experiment
    from uninote.pipeline.bench.run import run_experiments

    if split not in ("test", "validation"):
        raise ConfigError(f"--split is test or validation, got {split!r}")
    try:
        chosen = [int(seed) for seed in seeds.split(",") if seed.strip()] or None
    except ValueError as error:
        raise ConfigError(f"--seeds takes numbers with commas between, got {seeds!r}") from error
    console = Console(stderr=as_json)
    tables = run_experiments(
        [load_experiment(name) for name in experiments or built_in()],
        notes,
        settings_from(config, set_, None, relations),
        out,
        results,
        seeds=chosen,
        measured=split,
        options=[
            *([f"--split {split}"] if split != "test" else []),
            *([f"--relations {relations.name}"] if relations else []),
            *([f"--config {config.name}"] if config else []),
            *(f"--set {assignment}" for assignment in set_ or ()),
        ],
        train=not finished,
        workers=workers,
        progress=not quiet,
        tell=lambda line: None if quiet else console.print(line, soft_wrap=True, markup=False),
    )
    if as_json:
        typer.echo(json.dumps({n: t.model_dump(mode="json") for n, t in tables.items()}, ensure_ascii=False))
    else:
        for table in tables.values():
            console.print(f"\n{table.title}\n{table.markdown()}", soft_wrap=True, markup=False)


@app.command("page")
def page(
    results: Results = RESULTS,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The page; charts go to images/NAME in the same folder.")
    ] = Path("docs/results.md"),
    as_json: AsJson = False,
) -> None:
    """Write the results page from the result files."""
    from uninote.evaluation.page import write_page
    from uninote.pipeline.bench.definition import built_in, load_experiment

    order = [load_experiment(name).name for name in built_in()]
    count = write_page([results], out, order)
    emit(as_json, {"page": str(out), "tables": count}, f"{count} tables in {out}")
