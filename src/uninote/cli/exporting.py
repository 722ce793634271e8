"""Command `export`: a trained model for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from uninote.cli.options import AsJson, OutFolder, emit

app = typer.Typer()


class Format(StrEnum):
    SENTENCE_TRANSFORMERS = "sentence-transformers"
    TRANSFORMERS = "transformers"
    ONNX = "onnx"


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A trained model folder.")],
    format_: Annotated[
        Format,
        typer.Option(
            "--format",
            help="`sentence-transformers`; `transformers`: merged, for vLLM and its like (Qwen-VL models); "
            "`onnx`: fp32 and int8 graphs (compact model).",
        ),
    ] = Format.SENTENCE_TRANSFORMERS,
    out: OutFolder = Path("export"),
    report: Annotated[
        Path | None, typer.Option(help="report.json of `uninote evaluate` or the demo, for the model card.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="Column of the report for this model; without it, the last.")
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Folder or hub id of the pretrained weights of a Qwen-VL model, if they moved."),
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="Also upload to this hub repository, e.g. `me/my-notes`.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make that repository private.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained model for other programs, with a model card; upload it if asked."""
    from uninote.export.hub import push_to_hub
    from uninote.export.run import export_model

    folder = export_model(model, out, format_.value, report=report, stage=stage, base=base)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    result = {"folder": str(folder), "format": format_.value, "bytes": size}
    text = f"{format_.value} model in {folder}, {size / 1e6:.1f} MB"
    if push is not None:
        result["commit"] = push_to_hub(folder, push, private=private)
        text += f", uploaded: {result['commit']}"
    emit(as_json, result, text)
