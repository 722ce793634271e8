"""ONNX graphs of the compact model: `vision.onnx` (pictures to features) and `text.onnx` (the rest).

Both are traced from the module's own `forward`, adapters merged. The int8 graph stores weights of matrix
products and embeddings in 8 bits and quantises activations at run time (dynamic quantisation).
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.vision import CELLS, CHANNELS, read_cells
from uninote.extras import needs
from uninote.items import RENDERING

OPSET = 18
INPUTS = ("ids", "slots", "mask", "features", "member")
TEXT, TEXT_INT8, VISION = "text.onnx", "text.int8.onnx", "vision.onnx"


def write_onnx(encoder: Encoder, folder: Path) -> None:
    """Write graphs, tokenizer and `onnx.json` of `encoder`, a compact model."""
    backbone = cast(CompactBackbone, encoder.backbone)
    folder.mkdir(parents=True, exist_ok=True)
    merged = _merged(backbone)
    with _quiet():
        _trace_text(merged, folder / TEXT)
        _trace_vision(merged, folder / VISION)
        _quantise(folder / TEXT, folder / TEXT_INT8)
    backbone.tokenizer.save_pretrained(folder)
    stored = {
        "width": backbone.width,
        "version": encoder.version,
        "rendering": RENDERING,
        "encoder": encoder.settings.model_dump(),
        "graphs": {"text": TEXT, "text_int8": TEXT_INT8, "vision": VISION},
        "inputs": {
            "ids, slots, mask": "int64 [items, tokens]; slots: the row of flattened features here, else -1",
            "features": f"float32 [pictures, {CELLS}, {CHANNELS}]; one row of zeros when there are none",
            "member": "float32 [items, pictures]: how often the item shows the picture",
            "pixels (vision)": "float32 [pictures, 3, side, side] in [-1, 1], padded to a square",
        },
        "output": f"float32 [items, {backbone.width}], to be cut to a trained dimension and normalised",
    }
    (folder / "onnx.json").write_text(json.dumps(stored, indent=2))


def _merged(backbone: CompactBackbone) -> CompactBackbone:
    """Return a copy on the CPU with LoRA folded into the weights."""
    merged = copy.deepcopy(backbone).cpu().eval()
    if hasattr(merged.text, "merge_and_unload"):
        merged.text = merged.text.merge_and_unload()
    return merged.requires_grad_(False)


def _trace_text(backbone: CompactBackbone, path: Path) -> None:
    items, tokens, pictures = 3, 11, 2
    slots = torch.full((items, tokens), -1)
    slots[0, 2 : 2 + 2 * CELLS] = torch.arange(2 * CELLS)
    mask = torch.ones(items, tokens, dtype=torch.int64)
    mask[1, 5:] = 0
    inputs = {
        "ids": torch.randint(1000, 2000, (items, tokens)),
        "slots": slots,
        "mask": mask,
        "features": torch.rand(pictures, CELLS, CHANNELS),
        "member": torch.tensor([[1.0, 1.0], [0.0, 0.0], [0.0, 0.0]]),
    }
    n, length, u = (
        torch.export.Dim("items"),
        torch.export.Dim("tokens", max=512),
        torch.export.Dim("pictures"),
    )
    row = {0: n, 1: length}
    shapes = {"ids": row, "slots": row, "mask": row, "features": {0: u}, "member": {0: n, 1: u}}
    # Strict: Python's own `len` of a tensor, which the backbone asks for, stays a dimension, not a number.
    _export(backbone, inputs, shapes, "vectors", path, strict=True)


class _Tower(torch.nn.Module):
    """Vision tower without its inference mode, which a tracer cannot enter."""

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.net = tower.net

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return read_cells(self.net, pixels)


def _trace_vision(backbone: CompactBackbone, path: Path) -> None:
    side = backbone.settings.vision_side
    tower = _Tower(copy.deepcopy(backbone.features.tower))
    pixels = {"pixels": torch.rand(2, 3, side, side)}
    _export(tower, pixels, {"pixels": {0: torch.export.Dim("pictures")}}, "features", path)


def _export(
    module: torch.nn.Module,
    inputs: dict[str, Any],
    shapes: Any,
    output: str,
    path: Path,
    strict: bool = False,
) -> None:
    program = torch.export.export(module, (), kwargs=inputs, dynamic_shapes=shapes, strict=strict)
    with needs("export"):
        torch.onnx.export(
            program,
            (),
            str(path),
            input_names=list(inputs),
            output_names=[output],
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def _quantise(source: Path, target: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    quantize_dynamic(
        str(source),
        str(target),
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress logs of exporter and quantiser, which report their progress as warnings."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir", "root")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
