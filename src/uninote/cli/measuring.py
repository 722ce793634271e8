"""`evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from uninote.cli.inputs import encoder_of, read_split
from uninote.cli.options import AsJson, Config, Features, Notes, Out, Quiet, Seed, Set, Whole, settings_from

app = typer.Typer()


@app.command()
def evaluate(
    notes: Notes,
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="A model folder; the untrained one if none.")
    ] = None,
    out: Out = Path("evaluation"),
    features: Features = None,
    whole: Whole = False,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on the ten tasks over the held-out notes; writes report.json and report.html."""
    from uninote.corpus.decode import check_picture, load_picture
    from uninote.evaluation.evaluate import evaluate as evaluate_encoder
    from uninote.evaluation.links import links_task
    from uninote.evaluation.report import build_report, write_report
    from uninote.evaluation.suite import build_suite
    from uninote.evaluation.table import summary_table

    settings = settings_from(config, set_, seed)
    suite = build_suite(
        read_split(notes, settings, "test", whole),
        settings.seed,
        check=lambda p: check_picture(p, settings.corpus, decode=True),
        extra=links_task,
    )
    encoder = encoder_of(model, settings, features)
    stage = model.name if model else "base"
    result = evaluate_encoder(
        encoder,
        suite,
        ks=settings.evaluation.ks,
        bootstrap=settings.evaluation.bootstrap,
        seed=settings.seed,
        progress=not quiet,
    )
    report = build_report(suite, {stage: result})
    out.mkdir(parents=True, exist_ok=True)
    page = write_report(out, report, suite, lambda picture: load_picture(picture, settings.corpus))
    if as_json:
        typer.echo(json.dumps({"tasks": result["tasks"], "report": str(page)}, ensure_ascii=False))
    else:
        console = Console()
        console.print(summary_table(report))
        console.print(f"report {page}", soft_wrap=True)
