"""ONNX backbone: the exported graphs as an `Encoder` on onnxruntime."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from PIL import Image
from torch import nn

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.features import VisionFeatures
from uninote.encoder.compact.model import TOKENISER_CACHE
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.vision import CELLS, CHANNELS, VisionTower
from uninote.encoder.saved import check_rendering
from uninote.errors import ModelError
from uninote.export.onnx_graphs import INPUTS
from uninote.extras import needs
from uninote.settings import CorpusSettings


class OnnxTower:
    """`VisionTower` on onnxruntime: pixels to float32 [n, 4, 3584]."""

    def __init__(self, session: Any, side: int) -> None:
        self.session, self.side = session, side

    def pixels(self, image: Image.Image) -> torch.Tensor:
        return VisionTower.pixels(self, image)  # type: ignore[arg-type]

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(self.session.run(None, {"pixels": pixels.numpy()})[0])


class OnnxBackbone(CompactBackbone):
    """Compact backbone with graphs instead of weights. It cannot be trained."""

    def __init__(
        self,
        text: Any,
        tower: OnnxTower,
        tokenizer: Any,
        width: int,
        settings: CompactSettings,
        corpus: CorpusSettings,
    ):
        nn.Module.__init__(self)
        self.settings = settings
        self.session, self.tokenizer, self.width = text, tokenizer, width
        self.features = VisionFeatures(tower, corpus)  # type: ignore[arg-type]
        self._tokens = lru_cache(TOKENISER_CACHE)(self._tokenise)

    def forward(self, **inputs: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        if not len(inputs["features"]):  # the graph has no branch for items without pictures
            inputs["features"] = torch.zeros(1, CELLS, CHANNELS)
            inputs["member"] = torch.zeros(len(inputs["ids"]), 1)
        return torch.from_numpy(self.session.run(None, {name: inputs[name].numpy() for name in INPUTS})[0])

    def add_lora(self, rank: int, alpha: int, dropout: float) -> NoReturn:
        raise ModelError("an ONNX model cannot be trained: train the model folder it was exported from")

    def save(self, folder: Path) -> NoReturn:
        raise ModelError("an ONNX model is saved already: copy its folder")


def load_onnx(
    folder: str | Path,
    *,
    precision: Literal["fp32", "int8"] = "fp32",
    threads: int | None = None,
    corpus: CorpusSettings | None = None,
) -> Encoder:
    """Load an encoder that runs the graphs of `folder` on the CPU, with onnxruntime's kernels.

    Args:
        threads: threads of onnxruntime; None: one per core.

    Raises ModelError when the folder holds no such export.
    """
    with needs("onnx"):
        import onnxruntime  # type: ignore[import-untyped]
    from transformers import AutoTokenizer

    folder = Path(folder)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads:
        options.intra_op_num_threads = threads
    try:
        stored = json.loads((folder / "onnx.json").read_text())
        names = stored["graphs"]
        text, vision = (
            onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
            for name in (names["text" if precision == "fp32" else "text_int8"], names["vision"])
        )
        settings = CompactSettings(**CompactSettings.only(stored["encoder"]) | {"device": "cpu"})
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except Exception as error:  # onnxruntime's own errors share no base class
        reason = str(error).partition("\n")[0]
        raise ModelError(
            f"{folder} holds no whole ONNX export with {precision} weights: {reason}; write one with "
            "`uninote export MODEL --format onnx`"
        ) from error
    check_rendering(folder, stored)
    tower = OnnxTower(vision, settings.vision_side)
    width = int(stored["width"])
    backbone = OnnxBackbone(text, tower, tokenizer, width, settings, corpus or CorpusSettings())
    return Encoder(backbone, settings, stored["version"] + ("-int8" if precision == "int8" else ""))
