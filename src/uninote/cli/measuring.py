"""Command `evaluate`: a model measured on all tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from uninote.cli.inputs import encoder_of, read_with_relations
from uninote.cli.options import (
    AsJson,
    Config,
    Features,
    Notes,
    OutFolder,
    Quiet,
    Relations,
    Seed,
    Set,
    Whole,
    settings_from,
)
from uninote.settings import Settings

if TYPE_CHECKING:
    from uninote.encoder import Encoder
    from uninote.items import Note

Json = dict[str, Any]

app = typer.Typer()


@app.command()
def evaluate(
    notes: Notes,
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="A model folder; without it, the untrained model.")
    ] = None,
    out: OutFolder = Path("evaluation"),
    features: Features = None,
    whole: Whole = False,
    hard: Annotated[
        bool,
        typer.Option(
            "--hard",
            help="Add near duplicates, links and chapters, other languages, one modality of the query.",
        ),
    ] = False,
    edited: Annotated[
        int, typer.Option(min=1, help="With --hard: number of pictures to edit, each in every way.")
    ] = 100,
    relations: Relations = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model on all tasks over the held-out notes; writes report.json and report.html."""
    from uninote.corpus.decode import check_picture, load_picture
    from uninote.corpus.splits import Splits
    from uninote.evaluation.copies import rereading
    from uninote.evaluation.evaluate import evaluate as evaluate_encoder
    from uninote.evaluation.hard.terminal import terminal_tables
    from uninote.evaluation.links import links_task
    from uninote.evaluation.note_rows import near_rows
    from uninote.evaluation.relations import relation_tasks
    from uninote.evaluation.report import build_report, write_report
    from uninote.evaluation.suite import build_suite
    from uninote.evaluation.table import summary_table
    from uninote.pipeline.notes import distractors_of, split
    from uninote.pipeline.trained_relations import refuse_seen

    settings = settings_from(config, set_, seed, relations)
    found, behaviour = read_with_relations(notes, settings, "test", whole=True, model=model)
    splits = Splits(train=[], validation=[], test=found) if whole else split(found, settings)
    suite = build_suite(
        splits.test,
        settings.seed,
        check=lambda p: check_picture(p, settings.corpus),
        extra=[links_task, *relation_tasks(behaviour)],
        reread=rereading(settings, out / "cache", not quiet),
        distractors=distractors_of(splits, "test", settings),
        near=near_rows(settings, features or out / "cache", not quiet),
    )
    if model and behaviour:
        refuse_seen(model, behaviour, suite)
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
    harder = _hard(stage, encoder, suite.notes, edited, settings, not quiet) if hard else None
    report = build_report(suite, {stage: result}, hard=harder)
    out.mkdir(parents=True, exist_ok=True)
    page = write_report(out, report, suite, lambda picture: load_picture(picture, settings.corpus))
    if as_json:
        brief = {"tasks": result["tasks"], "report": str(page)} | ({"hard": harder} if harder else {})
        typer.echo(json.dumps(brief, ensure_ascii=False))
    else:
        console = Console()
        console.print(summary_table(report))
        for table in terminal_tables(harder) if harder else ():
            console.print(table)
        console.print(f"report {page}", soft_wrap=True)


def _hard(
    stage: str, encoder: Encoder, notes: Sequence[Note], edited: int, settings: Settings, progress: bool
) -> Json:
    from uninote.corpus.decode import load_picture
    from uninote.evaluation.hard.methods import hard_methods
    from uninote.evaluation.hard.run import evaluate_hard, hard_tasks

    load = partial(load_picture, settings=settings.corpus)
    return evaluate_hard(
        hard_methods({stage: encoder}, load, progress),
        hard_tasks(notes, load, queries=edited, seed=settings.seed),
        notes,
        ks=settings.evaluation.ks,
        bootstrap=settings.evaluation.bootstrap,
        seed=settings.seed,
    )
