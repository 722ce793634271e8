"""The `uninote` command: parses, calls, prints. Every command's work is a public function elsewhere."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.table import Table

from uninote.errors import ConfigError, UniNoteError
from uninote.settings import Settings, load_settings

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="One embedding per item: image, text, OCR text, video or a whole multi-image note.\n\n"
    "Try `uninote demo` first: it runs the whole way, from notes to a report and a searchable index, "
    "on a built-in sample or on your own notes.",
)
train_app = typer.Typer(
    no_args_is_help=True,
    help="Train a stage: `warmup` (picture head), `sft` (contrastive), then `rl` (ranking).",
)
app.add_typer(train_app, name="train")

Notes = Annotated[
    Path, typer.Argument(help="Notes: a .jsonl or .parquet file, a folder, or a saved `datasets` folder.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Where the result goes.")]
Model = Annotated[Path, typer.Option("--model", "-m", help="A trained model folder.")]
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


def read(source: Path, settings: Settings, quiet_report: Path | None = None) -> list[Any]:
    """Usable notes; what was left out is counted on stderr, or written to a file."""
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.notes import load_notes

    report = SkipReport()
    notes = load_notes(source, settings, report)
    if len(report):
        reasons = ", ".join(f"{count} x {kind}" for kind, count in report.counts().items())
        typer.echo(f"left out: {reasons}", err=True)
        if quiet_report:
            report.write(quiet_report)
    return notes


def read_split(source: Path, settings: Settings, part: str, whole: bool) -> list[Any]:
    """The notes of one split ("train" or "test"), or all of them: the same seed splits alike everywhere."""
    from uninote.pipeline.notes import split

    notes = read(source, settings)
    return notes if whole else list(getattr(split(notes, settings), part))


@app.command()
def sample(
    out: Out = Path("sample"),
    count: Annotated[int, typer.Option(min=1, help="Number of notes.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed draws the same notes.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Write the built-in sample: illustrated posts in English and Chinese, drawn by code."""
    from uninote.corpus.sample import write_sample

    path = write_sample(out, count, seed)
    emit(as_json, {"notes": str(path), "count": count}, f"{count} notes in {path}")


@app.command()
def annotate(
    notes: Notes,
    out: Out = Path("annotated.jsonl"),
    cache: Annotated[Path, typer.Option(help="Annotations by picture; a rerun goes on from it.")] = Path(
        "cache"
    ),
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fill in missing descriptions and OCR text, each picture once.

    Descriptions come from the notes' own alt texts, a local model (`--set annotate.describe=transformers`),
    or an OpenAI-compatible server (`annotate.describe=openai`, `annotate.endpoint=…`, key in OPENAI_API_KEY).
    """
    from uninote.corpus.readers import write_notes
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.notes import annotate as annotate_notes

    settings = settings_from(config, set_, None)
    report = SkipReport()
    done = annotate_notes(read(notes, settings), settings, cache, report, not quiet)
    write_notes(done, out)
    for skip in report:
        typer.echo(f"left out: {skip.note_id} {skip.where}: {skip.reason}", err=True)
    emit(
        as_json, {"notes": str(out), "count": len(done), "failed": len(report)}, f"{len(done)} notes in {out}"
    )


@app.command()
def pairs(
    notes: Notes,
    out: Out = Path("pairs.jsonl"),
    task: Annotated[list[str] | None, typer.Option(help="Only this task, e.g. I2Note; repeatable.")] = None,
    whole: Whole = False,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Cut the training split into the (query, positive) pairs of the tasks, with Modal Replacement."""
    from uninote.negatives.files import write_pairs
    from uninote.tasks.definitions import SFT_TASKS, Task
    from uninote.tasks.pairs import make_pairs

    known = {each.value: each for each in Task}
    unknown = [name for name in task or () if name not in known]
    if unknown:
        raise ConfigError(f"unknown task {unknown[0]}: choose from {', '.join(known)}")
    loaded = read_split(notes, settings_from(config, set_, seed), "train", whole)
    made = {
        each: make_pairs(loaded, each) for each in ([known[name] for name in task] if task else SFT_TASKS)
    }
    write_pairs((pair for found in made.values() for pair in found), out)
    counts = {each.value: len(found) for each, found in made.items()}
    emit(as_json, {"pairs": str(out), "counts": counts}, f"{sum(counts.values())} pairs in {out}: {counts}")


@app.command()
def mine(
    pairs_file: Annotated[Path, typer.Argument(help="A file of `uninote pairs`.")],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Reference encoder; the untrained one if none.")
    ] = None,
    out: Out = Path("examples.jsonl"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> None:
    """Add hard negatives: similarity band, MaxSim scores for notes, the counterfactual rule."""
    from uninote.negatives import mine_examples
    from uninote.negatives.files import read_pairs, write_examples

    settings = settings_from(config, set_, seed)
    examples = mine_examples(
        read_pairs(pairs_file), encoder_of(model, settings, features), settings.negatives, settings.seed
    )
    write_examples(examples, out)
    emit(as_json, {"examples": str(out), "count": len(examples)}, f"{len(examples)} examples in {out}")


def encoder_of(model: Path | None, settings: Settings, features: Path | None) -> Any:
    from uninote.encoder import Encoder
    from uninote.pipeline.train import load_encoder

    if model is not None:
        return load_encoder(model, settings, features)
    return Encoder.compact(settings.encoder, settings.corpus, features, settings.seed)


@train_app.command("warmup")
def train_warmup(
    notes: Notes,
    out: Out = Path("model-warmup"),
    whole: Whole = False,
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Before stage 1: align the compact model's picture head with its texts, in seconds.

    The result is the start of `train sft`, and a better reference encoder for `mine` than the untrained one.
    """
    from uninote.pipeline.train import base_model, warmed_up_model

    settings = settings_from(config, set_, seed)
    training = read_split(notes, settings, "train", whole)
    base_model(settings, out / "base", features)
    trained = warmed_up_model(out / "base", training, settings, out, features, not quiet)
    emit(as_json, {"model": str(out), "version": trained.version}, f"model {trained.version} in {out}")


@train_app.command("sft")
def train_sft(
    examples_file: Annotated[Path, typer.Argument(help="A file of `uninote mine`.")],
    model: Annotated[
        Path | None, typer.Option("--model", "-m", help="Start from this model, best one of `train warmup`.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Encoder of the soft labels; the start model if none.")
    ] = None,
    out: Out = Path("model-sft"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stage 1: contrastive fine-tuning on soft labels. Run again after a kill to go on."""
    from uninote.negatives import ReferenceIndex
    from uninote.negatives.files import read_examples
    from uninote.pipeline.train import base_model, sft_model

    settings = settings_from(config, set_, seed)
    start = model or out / "base"
    if model is None:
        base_model(settings, start, features)
    examples = read_examples(examples_file)
    items = [item for e in examples for item in (e.pair.query, e.pair.positive, *e.negatives)]
    labels = ReferenceIndex(items, encoder_of(reference or start, settings, features))
    trained = sft_model(start, examples, labels, settings, out, features, not quiet)
    emit(as_json, {"model": str(out), "version": trained.version}, f"model {trained.version} in {out}")


@train_app.command("rl")
def train_rl(
    notes: Notes,
    model: Model,
    out: Out = Path("model-rl"),
    whole: Whole = False,
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Stage 2: learn to rank the training split by content, from a stage 1 model. Resumes after a kill."""
    from uninote.pipeline.train import rl_model

    settings = settings_from(config, set_, seed)
    training = read_split(notes, settings, "train", whole)
    trained = rl_model(model, training, settings, out, features, not quiet)
    emit(as_json, {"model": str(out), "version": trained.version}, f"model {trained.version} in {out}")


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


@app.command()
def embed(
    notes: Notes,
    model: Model,
    out: Out = Path("embeddings"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Embed every note and every picture into Parquet shards. Run again after a kill to go on."""
    from uninote.pipeline.embed import catalogue, embed_entries

    settings = settings_from(config, set_, None)
    entries = catalogue(read(notes, settings))
    errors = embed_entries(encoder_of(model, settings, features), entries, out, not quiet)
    for name, error in errors.items():
        typer.echo(f"left out: {name}: {error}", err=True)
    done = len(entries) - len(errors)
    emit(as_json, {"embeddings": str(out), "count": done, "failed": len(errors)}, f"{done} vectors in {out}")


@app.command()
def index(
    embeddings: Annotated[Path, typer.Argument(help="A folder of `uninote embed`.")],
    model: Model,
    out: Out = Path("index"),
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load embeddings into PostgreSQL + pgvector, embedded unless `store.address` names a server."""
    from uninote.pipeline.index import build_index

    settings = settings_from(config, set_, None)
    count = build_index(embeddings, model, out, settings.store, not quiet)
    emit(as_json, {"index": str(out), "count": count}, f"{count} records in {out}")


@app.command()
def search(
    index_folder: Annotated[Path, typer.Option("--index", "-i", help="An index folder.")] = Path(
        "demo/index"
    ),
    text: Annotated[str | None, typer.Option(help="Search by this text.")] = None,
    picture: Annotated[list[Path] | None, typer.Option(help="Search by this picture; repeatable.")] = None,
    note: Annotated[
        Path | None, typer.Option(help="Search by the first note of this file or folder.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many results.")] = 10,
    kind: Annotated[str, typer.Option(help="`note`, `image` or `all`.")] = "note",
    category: Annotated[list[str] | None, typer.Option(help="Only this category; repeatable.")] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Find the nearest notes or pictures to a text, a picture, a note, or several of them together."""
    from uninote.corpus.decode import read_picture
    from uninote.items import Item
    from uninote.pipeline.index import Searcher

    settings = settings_from(config, set_, None)
    if kind not in ("note", "image", "all"):
        raise ConfigError(f"--kind is note, image or all, not {kind}")
    parts: list[Any] = [text] if text else []
    parts += [read_picture(path, settings.corpus, name=path.name) for path in picture or ()]
    if note is not None:
        parts += read(note, settings)[0].item().parts
    if not parts:
        raise ConfigError("nothing to search with: give --text, --picture or --note")
    kinds = None if kind == "all" else (kind,)
    with Searcher(index_folder, settings) as searcher:
        hits = searcher.search(Item.of(*parts), k, kinds, category)
    if as_json:
        found = [
            {"id": hit.id, "score": hit.score, "kind": hit.kind, "category": hit.category, **hit.payload}
            for hit in hits
        ]
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    table = Table("score", "kind", "title", "id", box=None)
    for hit in hits:
        table.add_row(f"{hit.score:.3f}", hit.kind, str(hit.payload.get("title", "")), hit.id)
    Console().print(table)


@app.command()
def demo(
    notes: Annotated[Path | None, typer.Option(help="Your notes; the built-in sample if none.")] = None,
    out: Out = Path("demo"),
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Notes in; both training stages, a measured report and a searchable index out. Resumes after a kill."""
    from uninote.pipeline.demo import run_demo

    settings = settings_from(config, set_, seed)
    console = Console(stderr=as_json)
    report = run_demo(notes, out, settings, console, not quiet)
    if as_json:
        brief = {key: report[key] for key in ("dataset", "timing_s", "commands")}
        typer.echo(json.dumps(brief | {"report": str(out / "report.html")}, ensure_ascii=False))


@app.command()
def info(
    folder: Annotated[Path | None, typer.Argument(help="A model or index folder.")] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Show the environment and all settings, or what a model or index folder holds."""
    from uninote.evaluation.results import environment

    if folder is None:
        result = {"environment": environment(), "settings": settings_from(config, set_, None).model_dump()}
    else:
        names = ("uninote.json", "backbone.json", "index.json", "manifest.json")
        result = {
            name: json.loads((folder / name).read_text()) for name in names if (folder / name).is_file()
        }
        if not result:
            raise ConfigError(f"{folder} is neither a model, an index nor an embeddings folder")
    typer.echo(json.dumps(result, ensure_ascii=False) if as_json else yaml.safe_dump(result, sort_keys=False))


def main(run: Callable[[], Any] = app) -> None:
    """Entry point: a user's error is one line on stderr and exit code 2."""
    # Models come from folders and packages; a hub is asked only where the user says so.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        run()
    except UniNoteError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(2)
