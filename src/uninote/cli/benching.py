"""Commands `bench list`, `bench run`, `bench retention`, `bench page`: experiments and their page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from uninote.cli.options import (
    AsJson,
    Config,
    Features,
    Notes,
    Quiet,
    Relations,
    Seed,
    Set,
    emit,
    settings_from,
    to_file,
    to_folder,
)
from uninote.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, help="Experiments: ablations of the method from raw notes, and their page."
)

RESULTS = Path("benchmarks/results/experiments")


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
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Caches, models and finished runs.", callback=to_folder)
    ] = Path("work/bench"),
    results: Annotated[
        Path, typer.Option("--results", help="Folder of the result files.", callback=to_folder)
    ] = RESULTS,
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
    chosen = _numbers(seeds, "--seeds") or None
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


@app.command("retention")
def retention(
    notes: Notes,
    model: Annotated[
        list[Path],
        typer.Option("--model", "-m", help="A model folder, or `compact`; repeatable."),
    ],
    tower: Annotated[
        Path | None,
        typer.Option(
            help="The model whose vectors of single elements are the dual tower: take the warmed-up one. "
            "The first --model if not given."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="Folder of retention.json and the tables that `bench page` shows.",
            callback=to_folder,
        ),
    ] = RESULTS,
    samples: Annotated[int, typer.Option(min=1, help="Most samples of each kind in a category.")] = 16,
    minimum: Annotated[
        int, typer.Option(min=1, help="Fewest samples, and fewest incoming notes, of a category that counts.")
    ] = 3,
    recall: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Recall on labelled notes that sets the dual tower's thresholds."),
    ] = 0.5,
    top: Annotated[str, typer.Option(help="Cut-offs of the back-checks.")] = "10,50,100",
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how much of a dual tower's recall one vector a note retains, as a platform would use both.

    Online: the test notes come in and are compared with a gallery of training notes. A category is a note's
    category or one of its tags; samples are pictures, texts and whole notes. The dual tower's threshold of a
    category is calibrated by recall; each model gets the threshold with the same number of hits. What counts
    is its recall over the dual tower's, as the mean over categories.

    Offline: every sample searches all stored notes for those of its category.

    The dual tower stores one vector per picture and per chunk of text. It is measured at its best, tuned on
    validation notes, and cut to the bytes of one vector. Every model is measured at all its dimensions.

        uninote bench retention notes.jsonl --model model-sft --model model-rl --tower model-warmup
    """
    from uninote.evaluation.deployment.tables import offline_table, online_table
    from uninote.evaluation.results import write_json
    from uninote.evaluation.tables import write_table
    from uninote.pipeline.retention import BEST, CUT, measure_retention

    settings = settings_from(config, set_, seed)
    ks = sorted(set(_numbers(top, "--top")))
    if not ks or ks[0] < 1:
        raise ConfigError(f"--top takes numbers from 1 on, got {top!r}")
    result = measure_retention(
        notes,
        model,
        settings,
        features,
        tower=tower,
        samples=samples,
        minimum=minimum,
        target=recall,
        ks=ks,
        progress=not quiet,
    )
    command = " ".join(
        [
            f"uninote bench retention {notes.name}",
            *(f"--model {one.name}" for one in model),
            *([f"--tower {tower.name}"] if tower else []),
            f"--samples {samples} --minimum {minimum} --recall {recall:g} --top {top} --seed {settings.seed}",
        ]
    )
    tables = {
        "retention-online": online_table(result, BEST, command),
        "retention-equal-bytes": online_table(result, CUT, command),
        "retention-offline": offline_table(result, command),
    }
    write_json(out / "retention.json", result)
    for name, table in tables.items():
        write_table(out / f"{name}.json", table)
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))
        return
    console = Console()
    for table in tables.values():
        console.print(f"\n{table.title}\n{table.markdown()}\n{table.note}", soft_wrap=True, markup=False)
    console.print(f"\nresults {out / 'retention.json'}", soft_wrap=True, markup=False)


def _numbers(text: str, option: str) -> list[int]:
    """Parse whole numbers. Raises ConfigError that names the option."""
    try:
        return [int(number) for number in text.split(",") if number.strip()]
    except ValueError as error:
        raise ConfigError(f"{option} takes numbers with commas between, got {text!r}") from error


@app.command("page")
def page(
    results: Annotated[Path, typer.Option("--results", help="Folder of the result files.")] = RESULTS,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="The page; charts go to images/NAME in the same folder.", callback=to_file
        ),
    ] = Path("docs/results.md"),
    as_json: AsJson = False,
) -> None:
    """Write the results page from the result files."""
    from uninote.evaluation.page import write_page
    from uninote.pipeline.bench.definition import built_in, load_experiment

    order = [load_experiment(name).name for name in built_in()]
    count = write_page([results], out, order)
    emit(as_json, {"page": str(out), "tables": count}, f"{count} tables in {out}")
