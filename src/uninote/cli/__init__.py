"""Command line `uninote`: parses, calls and prints. Every command's work is a public function elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from uninote.cli import (
    benching,
    corpora,
    data,
    exporting,
    measuring,
    merging,
    operating,
    running,
    searching,
    serving,
    stressing,
    training,
)
from uninote.cli.arguments import check_in
from uninote.cli.failures import describe
from uninote.errors import UniNoteError
from uninote.extras import named
from uninote.limits import cores

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="One embedding per item: image, text, OCR text, video or a whole multi-image note.\n\n"
    "Try `uninote demo` first: it runs the whole pipeline, from notes to a report and a searchable index, "
    "on a built-in sample or on your own notes.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"uninote {version('uninote')}")
        raise typer.Exit


@app.callback()
def uninote(
    shown: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options before a command."""


app.add_typer(data.app)
app.add_typer(corpora.app, name="corpus")
app.add_typer(training.app, name="train")
app.add_typer(measuring.app)
app.add_typer(benching.app, name="bench")
app.add_typer(searching.app)
app.add_typer(exporting.app)
app.add_typer(merging.app)
app.add_typer(serving.app)
app.add_typer(operating.db, name="db")
app.add_typer(operating.cluster, name="cluster")
app.add_typer(stressing.app)
app.add_typer(running.app)
check_in(app)


def main(run: Callable[[], Any] = app) -> None:
    """Run the command line. A user's error is one line on stderr and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if cores() < (os.cpu_count() or 1):  # libraries start a thread for each core of the host
        os.environ.setdefault("OMP_NUM_THREADS", str(cores()))
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # odd metadata of pictures
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    logging.getLogger("uninote.training.memory").setLevel(logging.INFO)  # one line a stage: what was chosen
    try:
        with named():
            run()
    except Exception as error:
        message = str(error) if isinstance(error, UniNoteError) else describe(error)
        if message is None:
            raise
        logging.getLogger(__name__).debug("failed", exc_info=True)
        typer.echo(f"error: {' '.join(message.split())}", err=True)
        sys.exit(2)
