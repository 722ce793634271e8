"""Command `corpus fetch`: notes from public repositories."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.options import AsJson, Out, Quiet, emit
from uninote.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="The benchmark's notes, rebuilt from public repositories.")


class Name(StrEnum):
    OPENSTAX = "openstax"
    SHAREPOINT = "sharepoint"
    VSDOCS_ZH = "vsdocs-zh"


@app.callback()
def corpus() -> None:
    """Rebuild the benchmark's notes from public repositories."""


@app.command()
def fetch(
    name: Annotated[Name, typer.Argument(help="Which notes.")],
    out: Out = Path("corpus"),
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
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Fetch public repositories at pinned commits with git, and cut them into notes. Run again to resume.

    Pictures get no OCR text here: `uninote annotate` reads it.
    """
    from uninote.corpora.pins import load_pins
    from uninote.corpora.run import fetch_corpus

    known = load_pins(pins)
    if name.value not in known:
        raise ConfigError(f"{pins} does not name {name.value}: it has {', '.join(known) or 'nothing'}")
    done = fetch_corpus(
        known[name.value], out, mirror=mirror, every=every, keep=keep, progress=not (quiet or as_json)
    )
    left_out = ", ".join(f"{count} x {kind}" for kind, count in done.skipped.items())
    if left_out:
        typer.echo(f"left out: {left_out} (see {out / 'skipped.jsonl'})", err=True)
    emit(
        as_json,
        {"notes": str(done.path), "count": done.notes, "pictures": done.pictures, "skipped": done.skipped},
        f"{done.notes} notes with {done.pictures} pictures in {done.path}\n"
        f"read their OCR text next: uninote annotate {out} --out {out / 'annotated.jsonl'}",
    )
