"""Export of a trained model folder to a folder for other programs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from uninote.encoder import Backbone, Encoder
from uninote.encoder.capabilities import Exports
from uninote.errors import ModelError, reason_of
from uninote.lazy import resolve

Format = Literal["sentence-transformers", "transformers", "onnx"]

WRITERS = {
    "module": "uninote.export.sentence_transformer:write_sentence_transformer",
    "transformers": "uninote.export.merged:write_merged",
    "onnx": "uninote.export.onnx_model:write_onnx",
}
"""Writers by layout, functions of an encoder and a folder; `card.USE` describes the use of each."""


def export_model(
    model: str | Path | Encoder,
    to: str | Path,
    format: Format = "sentence-transformers",
    *,
    report: Path | None = None,
    stage: str | None = None,
    base: str | Path | None = None,
) -> Path:
    """Write `model` to the folder `to`, with a model card, and return it.

    sentence-transformers: a folder for `SentenceTransformer`. A Qwen-VL model is merged and made of that
    library's own modules, any other is `UniNoteModule` of this package.
    transformers: merged weights, processor and prompt, for Qwen-VL models.
    onnx: the compact model with its towers as graphs in fp32 and int8, which `Encoder.load` runs.

    Args:
        model: a model folder, or an encoder, which merging changes.
        report: report.json whose numbers go into the card; `stage` names its column.
        base: folder or hub id of the pretrained weights of a Qwen-VL model, when they have moved.

    Raises ModelError when the model cannot take this format, or the folder is not empty.
    """
    from uninote.export.card import model_card

    to = Path(to)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ModelError(f"{to} is there already: remove it, or name another folder")
    encoder = model if isinstance(model, Encoder) else Encoder.load(model, device="cpu", base=base)
    layout = layout_of(encoder.backbone, format)
    card = model_card(encoder, layout, report, stage)  # first: a bad report shows before the long work
    to.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary folder and renamed: a half-written model is never loaded.
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as space:
        folder = Path(space) / "model"
        folder.mkdir()
        try:
            write = resolve(WRITERS[layout])
        except ImportError as error:
            raise ModelError(
                f"this format needs the extra `export`: pip install 'uninote[export]' ({reason_of(error)})"
            ) from error
        write(encoder, folder)
        card.save(folder / "README.md")
        folder.rename(to)
    return to


def layout_of(backbone: Backbone, format: Format) -> str:
    """Return the key of `WRITERS` for a format. Raises ModelError that lists what the backbone offers."""
    layouts = {"sentence-transformers": "module"}
    if isinstance(backbone, Exports):
        layouts = dict(backbone.export_layouts())
    if format not in layouts:
        raise ModelError(
            f"{format} is no format of {backbone.name} models: choose --format {' or '.join(layouts)}"
        )
    return layouts[format]
