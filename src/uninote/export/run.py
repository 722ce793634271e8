"""One call from a trained model folder to a folder for other programs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from uninote.encoder import Encoder
from uninote.errors import ModelError

Format = Literal["sentence-transformers", "transformers", "onnx"]


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
    library's own modules, the compact one is `UniNoteModule` of this package.
    transformers: merged weights, processor and prompt, for Qwen-VL models.
    onnx: graphs in fp32 and int8, for the compact model.

    Args:
        model: a model folder, or an encoder, which merging changes.
        report: report.json whose numbers go into the card; `stage` names its column.
        base: where the pretrained weights of a Qwen-VL model are now, when they have moved.

    Raises ModelError when the model cannot take this format, or the folder is not empty.
    """
    from uninote.export.card import model_card

    to = Path(to)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ModelError(f"{to} is there already: remove it, or name another folder")
    encoder = model if isinstance(model, Encoder) else Encoder.load(model, device="cpu", base=base)
    qwen = encoder.backbone.name == "qwen-vl"
    layout = "onnx" if format == "onnx" else "transformers" if qwen else "compact-sentence-transformers"
    card = model_card(encoder, layout, report, stage)  # first: a bad report shows before the long work
    to.parent.mkdir(parents=True, exist_ok=True)
    # Written beside its place and moved there whole: nobody ever loads half a model.
    with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as space:
        folder = Path(space) / "model"
        folder.mkdir()
        if format == "onnx":
            from uninote.export.onnx_graphs import write_onnx

            write_onnx(encoder, folder)
        elif qwen or format == "transformers":
            from uninote.export.merged import write_merged

            write_merged(encoder, folder)
        else:
            from uninote.export.sentence_transformer import write_sentence_transformer

            write_sentence_transformer(encoder, folder)
        card.save(folder / "README.md")
        folder.rename(to)
    return to
