"""Command `serve`: the HTTP service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.inputs import read
from uninote.cli.options import Config, Set, settings_from

app = typer.Typer()


@app.command()
def serve(
    index_folder: Annotated[
        Path, typer.Option("--index", "-i", help="An index folder; its model serves, its database is used.")
    ] = Path("demo/index"),
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")
    ] = 8080,
    notes: Annotated[
        Path | None,
        typer.Option(
            help="Notes to store at the start unless stored already; by default, those of the index."
        ),
    ] = None,
    config: Config = None,
    set_: Set = None,
) -> None:
    """Serve the HTTP API: store and match notes, search, moderate. SIGTERM drains it."""
    from uninote.encoder.saved import saved_models
    from uninote.service.concurrency.loaded_models import LoadedEncoder
    from uninote.service.main.server import serve as run

    settings = settings_from(config, set_, None)

    def load(folder: Path) -> LoadedEncoder:
        from uninote.encoder.loading import load_encoder

        return load_encoder(folder, settings, remember=settings.service.remember)

    first = read(notes, settings, *saved_models(index_folder)) if notes is not None else []
    sys.exit(run(settings, index_folder, load, host, port, first))
