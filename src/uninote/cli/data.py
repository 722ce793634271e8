"""Commands `sample`, `annotate`, `pairs` and `mine`: from notes to training examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.inputs import encoder_of, read, read_with_relations
from uninote.cli.options import (
    AsJson,
    Cache,
    Config,
    Features,
    Notes,
    OutFile,
    OutFolder,
    Quiet,
    Ray,
    Relations,
    Seed,
    Set,
    Whole,
    emit,
    settings_from,
)
from uninote.errors import ConfigError

app = typer.Typer()


@app.command()
def sample(
    out: OutFolder = Path("sample"),
    count: Annotated[int, typer.Option(min=1, help="Number of notes.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed draws the same notes.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the built-in sample: illustrated posts in English and Chinese, drawn by code."""
    from uninote.sample.notes import write_sample

    path = write_sample(out, count, seed)
    emit(as_json, {"notes": str(path), "count": count}, f"{count} notes in {path}")


@app.command()
def annotate(
    notes: Notes,
    out: OutFile = Path("annotated.jsonl"),
    cache: Cache = Path("cache"),
    config: Config = None,
    set_: Set = None,
    ray: Ray = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill in missing descriptions and OCR text, each picture once. Run again after a kill to resume.

    Descriptions come from the notes' own alt texts, a local model (`--set annotate.describe=transformers`),
    or an OpenAI-compatible server (`annotate.describe=openai`, `annotate.endpoint=…`, key in OPENAI_API_KEY).
    """
    from uninote.corpus.readers import write_notes
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.notes import annotate as annotate_notes

    settings = settings_from(config, set_, None)
    report = SkipReport()
    loaded = read(notes, settings)
    if ray:
        from uninote.pipeline.on_ray.annotate import annotate_batches
        from uninote.pipeline.on_ray.session import connected

        with connected(ray):
            done = annotate_notes(loaded, settings, cache, report, not quiet, annotate_batches)
    else:
        done = annotate_notes(loaded, settings, cache, report, not quiet)
    write_notes(done, out)
    for skip in report:
        typer.echo(f"left out: {skip.note_id} {skip.where}: {skip.reason}", err=True)
    emit(
        as_json, {"notes": str(out), "count": len(done), "failed": len(report)}, f"{len(done)} notes in {out}"
    )


@app.command()
def pairs(
    notes: Notes,
    out: OutFile = Path("pairs.jsonl"),
    task: Annotated[list[str] | None, typer.Option(help="Only this task, e.g. I2Note; repeatable.")] = None,
    whole: Whole = False,
    relations: Relations = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Cut the training split into the (query, positive) pairs of the tasks, with Modal Replacement.

    Pairs of related notes join them, where there are relations (`sft.relations`).
    """
    from uninote.negatives.files import write_pairs
    from uninote.tasks.definitions import SFT_TASKS, Task
    from uninote.tasks.pairs import make_pairs, pairs_per_task
    from uninote.tasks.related import related_pairs

    known = {each.value: each for each in Task}
    unknown = [name for name in task or () if name not in known]
    if unknown:
        raise ConfigError(f"unknown task {unknown[0]}: choose from {', '.join(known)}")
    settings = settings_from(config, set_, seed, relations)
    loaded, behaviour = read_with_relations(notes, settings, "train", whole)
    replaced = settings.tasks.modal_replacement
    made = {
        each: make_pairs(loaded, each, modal_replacement=replaced)
        for each in ([known[name] for name in task] if task else SFT_TASKS)
    }
    if behaviour and settings.sft.relations and not task:
        related = behaviour.training(loaded)
        made[Task.NOTE2NOTE] = related_pairs(loaded, related, pairs_per_task(settings.sft), settings.seed)
    write_pairs((pair for found in made.values() for pair in found), out)
    counts = {each.value: len(found) for each, found in made.items()}
    emit(as_json, {"pairs": str(out), "counts": counts}, f"{sum(counts.values())} pairs in {out}: {counts}")


@app.command()
def links(
    notes: Notes,
    out: OutFile = Path("relations.csv"),
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Write the links between notes as relations, for those who have no clicks."""
    from uninote.corpus.relations.writer import linked, write_relations

    found = linked(read(notes, settings_from(config, set_, None)))
    write_relations(found, out)
    result = {"relations": str(out), "count": len(found)}
    emit(as_json, result, f"{len(found)} pairs of linked notes in {out}")


@app.command()
def mine(
    pairs_file: Annotated[Path, typer.Argument(help="A file of `uninote pairs`.")],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Reference encoder; without it, the untrained one.")
    ] = None,
    out: OutFile = Path("examples.jsonl"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Add hard negatives: similarity band, MaxSim scores for notes, the counterfactual rule."""
    from uninote.negatives import mine_examples
    from uninote.negatives.files import read_pairs, write_examples
    from uninote.tasks.dropout import without_texts

    settings = settings_from(config, set_, seed)
    pairs = without_texts(read_pairs(pairs_file), settings.sft.text_dropout, settings.seed)
    examples = mine_examples(pairs, encoder_of(model, settings, features), settings.negatives, settings.seed)
    write_examples(examples, out)
    emit(as_json, {"examples": str(out), "count": len(examples)}, f"{len(examples)} examples in {out}")
