"""From notes to search results: `embed`, `index`, `search`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from uninote.cli.explanations import as_fields, as_lines
from uninote.cli.inputs import encoder_of, read
from uninote.cli.options import (
    AsJson,
    Config,
    Features,
    ModelOrShipped,
    Notes,
    OutFolder,
    Quiet,
    Ray,
    Set,
    emit,
    settings_from,
)
from uninote.errors import ConfigError, ItemError, PartError

app = typer.Typer()


@app.command()
def embed(
    notes: Notes,
    model: ModelOrShipped = Path("compact"),
    out: OutFolder = Path("embeddings"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    ray: Ray = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Embed every note and every picture into Parquet shards. Run again after a kill to resume.

    The default model is the trained one of the package.
    """
    from uninote.encoder.changes import loaded_dims
    from uninote.encoder.saved import Saved
    from uninote.pipeline.embed import catalogue, embed_entries
    from uninote.shipped import model_folder
    from uninote.store.layout import layout_of

    settings, model = settings_from(config, set_, None), model_folder(model)
    entries = catalogue(read(notes, settings, model))
    if dims := loaded_dims(Saved(model), settings.encoder):
        layout_of(dims, settings.store)  # before the long work: can its result be stored?
    if ray:
        from uninote.pipeline.on_ray.embed import embed_on_cluster
        from uninote.pipeline.on_ray.session import connected

        with connected(ray):
            errors = embed_on_cluster(model, entries, out, settings, features, not quiet)
    else:
        errors = embed_entries(encoder_of(model, settings, features), entries, out, not quiet)
    for name, error in errors.items():
        lost = "a picture is left out of" if isinstance(error, PartError) else "left out:"
        typer.echo(f"{lost} {name}: {error}", err=True)
    failed = sum(not isinstance(error, PartError) for error in errors.values())
    done = len(entries) - failed
    emit(as_json, {"embeddings": str(out), "count": done, "failed": failed}, f"{done} vectors in {out}")


@app.command()
def index(
    embeddings: Annotated[Path, typer.Argument(help="A folder of `uninote embed`.")],
    model: ModelOrShipped = Path("compact"),
    out: OutFolder = Path("index"),
    notes: Annotated[
        Path | None, typer.Option(help="The notes that were embedded, kept for `uninote serve`.")
    ] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Load embeddings into PostgreSQL + pgvector, embedded unless `store.address` names a server."""
    from uninote.pipeline.index import build_index
    from uninote.shipped import model_folder

    settings, model = settings_from(config, set_, None), model_folder(model)
    kept = read(notes, settings, model) if notes is not None else []
    built = build_index(embeddings, model, out, settings.store, not quiet, kept, settings.encoder)
    for name, reason in built.left_out.items():
        typer.echo(f"left out: {name}: {reason}", err=True)
    result = {"index": str(out), "count": built.count, "failed": len(built.left_out)}
    emit(as_json, result, f"{built.count} records in {out}")


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
    k: Annotated[int, typer.Option("-k", min=1, help="Number of results.")] = 10,
    kind: Annotated[str, typer.Option(help="`note`, `image` or `all`.")] = "note",
    category: Annotated[list[str] | None, typer.Option(help="Only this category; repeatable.")] = None,
    why: Annotated[
        Path | None,
        typer.Option(
            help="The indexed notes: show the contribution of each of their pictures and sentences."
        ),
    ] = None,
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Find the nearest notes or pictures to a text, a picture, a note, or several of them together."""
    from uninote.attribution import explain
    from uninote.corpus.decode import read_picture
    from uninote.items import Item
    from uninote.pipeline.index import Searcher

    settings = settings_from(config, set_, None)
    if kind not in ("note", "image", "all"):
        raise ConfigError(f"--kind is note, image or all, not {kind}")
    parts: list[Any] = [text] if text else []
    parts += [read_picture(path, settings.corpus, name=path.name) for path in picture or ()]
    if note is not None:
        parts += read(note, settings, index_folder / "model")[0].item().parts
    if not parts:
        raise ConfigError("nothing to search with: give --text, --picture or --note")
    kinds = None if kind == "all" else (kind,)
    with Searcher(index_folder, settings) as searcher:
        query = Item.of(*parts)
        hits = searcher.search(query, k, kinds, category)
        sources = (
            {one.id: one for one in read(why, settings, index_folder / "model")} if why is not None else {}
        )
        reasons = {}
        for hit in hits:
            if hit.kind == "note" and hit.id in sources:
                try:
                    reasons[hit.id] = explain(searcher.encoder, query, sources[hit.id].item())
                except ItemError as error:  # a picture was changed since the note was embedded
                    typer.echo(f"not explained: {hit.id}: {error}", err=True)
        for hint in searcher.unknown_categories(query, category or ()):
            typer.echo(hint, err=True)
    if as_json:
        found = [
            {"id": hit.id, "score": hit.score, "kind": hit.kind, "category": hit.category, **hit.payload}
            | ({"why": as_fields(reasons[hit.id])} if hit.id in reasons else {})
            for hit in hits
        ]
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    table = Table("score", "kind", "title", "id", box=None)
    for hit in hits:
        table.add_row(f"{hit.score:.3f}", hit.kind, str(hit.payload.get("title", "")), hit.id)
        for line in as_lines(reasons[hit.id]) if hit.id in reasons else ():
            table.add_row("", "", line, "")
    Console().print(table)
