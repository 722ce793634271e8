"""Commands `corpus fetch`, notes from public sources, and `corpus mteb`, their tasks as a data set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.inputs import read_split
from uninote.cli.options import (
    AsJson,
    Cache,
    Config,
    Notes,
    OutFolder,
    Quiet,
    Seed,
    Set,
    Whole,
    emit,
    settings_from,
)
from uninote.errors import ConfigError

app = typer.Typer(
    no_args_is_help=True, help="Notes from public sources; the tasks over notes as a data set of MTEB."
)


class Name(StrEnum):
    OPENSTAX = "openstax"
    SHAREPOINT = "sharepoint"
    VSDOCS_ZH = "vsdocs-zh"
    QILIN = "qilin"


@app.callback()
def corpus() -> None:
    """Make notes of public sources, and data sets of notes."""


@app.command()
def fetch(
    name: Annotated[Name, typer.Argument(help="Which notes.")],
    out: OutFolder = Path("corpus"),
    mirror: Annotated[
        str, typer.Option(help="Base address of the repositories, as in MIRROR/owner/name.")
    ] = "https://github.com",
    pins: Annotated[
        Path | None,
        typer.Option(help="JSON file of other repositories and commits, in the form of `pins.json`."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--every", help="Fetch also the books without notes in the benchmark.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the checkouts in OUT/.fetch.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="For qilin: folder of its downloaded files.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="For qilin: the first notes with pictures, at most this many.")
    ] = None,
    clicked: Annotated[
        bool, typer.Option("--clicked", help="For qilin: only notes that somebody clicked.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch public repositories at pinned commits with git, and cut them into notes. Run again to resume.

    `qilin` is read from the folder `--from` instead, with its clicks as relations.csv. Pictures get no OCR
    text here: `uninote annotate` reads it.
    """
    from uninote.corpora.pins import load_pins
    from uninote.corpora.qilin import fetch_qilin
    from uninote.corpora.run import fetch_corpus

    shown = not (quiet or as_json)
    if (name is Name.QILIN) is (source is None):
        raise ConfigError("qilin is read from a folder: give --from FOLDER with it, and with nothing else")
    if source is not None:
        done = fetch_qilin(source, out, limit=limit, clicked=clicked, progress=shown)
    else:
        known = load_pins(pins)
        if name.value not in known:
            raise ConfigError(f"{pins} does not name {name.value}: it has {', '.join(known) or 'nothing'}")
        done = fetch_corpus(known[name.value], out, mirror=mirror, every=every, keep=keep, progress=shown)
    left_out = ", ".join(f"{count} x {kind}" for kind, count in done.skipped.items())
    if left_out:
        typer.echo(f"left out: {left_out} (see {out / 'skipped.jsonl'})", err=True)
    emit(
        as_json,
        {"notes": str(done.path), "count": done.notes, "pictures": done.pictures, "skipped": done.skipped},
        f"{done.notes} notes with {done.pictures} pictures in {done.path}\n"
        f"read their OCR text next: uninote annotate {out} --out {out / 'annotated.jsonl'}",
    )


@app.command()
def mteb(
    notes: Notes,
    out: OutFolder = Path("mteb-dataset"),
    cache: Cache = Path("cache"),
    whole: Whole = False,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write the tasks over the held-out notes as a data set that MTEB reads, with a card for the hub."""
    from uninote.extras import require

    require("data", "evaluate")
    from uninote.corpus.decode import check_picture, load_picture
    from uninote.evaluation.copies import rereading
    from uninote.evaluation.suite import build_suite
    from uninote.mteb import write_dataset

    settings = settings_from(config, set_, seed)
    suite = build_suite(
        read_split(notes, settings, "test", whole),
        settings.seed,
        check=lambda picture: check_picture(picture, settings.corpus),
        reread=rereading(settings, cache, not quiet),
    )
    folder = (notes.parent if notes.is_file() else notes).resolve()
    write_dataset(suite, out, lambda picture: load_picture(picture, settings.corpus), folder.name)
    counts = {task.name: {"queries": len(task.queries), "targets": len(task.targets)} for task in suite.tasks}
    emit(
        as_json,
        {"dataset": str(out), "suite": suite.fingerprint, "tasks": counts},
        f"{len(counts)} tasks over {len(suite.notes)} notes in {out}",
    )
