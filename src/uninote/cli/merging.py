"""Command `merge`: the weights of two models interpolated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.options import AsJson, OutFolder, emit

app = typer.Typer()


@app.command()
def merge(
    first: Annotated[Path, typer.Argument(help="A model folder, e.g. of stage 1.")],
    second: Annotated[Path, typer.Argument(help="A model trained from the first, e.g. by stage 2.")],
    share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the second model: 0 is the first, 1 the second.")
    ] = 0.5,
    out: OutFolder = Path("model-merged"),
    as_json: AsJson = False,
) -> None:
    """Interpolate the weights of two models, where the second gained on one task and lost on others."""
    from uninote.encoder import Encoder
    from uninote.pipeline.trained_relations import record
    from uninote.training.merge import merge_folders

    merge_folders(first, second, share, out)
    merged = Encoder.load(out)
    merged.save(out)
    record(out, (), before=[first, second])
    emit(as_json, {"model": str(out), "version": merged.version}, f"model {merged.version} in {out}")
