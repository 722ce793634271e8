"""ONNX graphs of the towers: exported from the torch network, and quantised to int8.

The int8 graph stores the weights of matrix products and embeddings in 8 bits and quantises activations at
run time (dynamic quantisation).
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from uninote.encoder.towers.protocol import Array
from uninote.encoder.towers.tokens import Tokens
from uninote.extras import needs

OPSET = 18
LOGGERS = ("torch.onnx", "torch.onnx._internal.exporter._registration", "onnxscript", "onnx_ir", "root")


def export_text(network: nn.Module, tokens: Tokens, path: Path) -> None:
    """Write the graph of a text network: ids, mask int64 [n, tokens] to float32 [n, width]."""
    ids, mask = map(torch.from_numpy, tokens.pad(tokens.encode(["a red circle on a wall", "rain"])))
    shape: dict[int, Any] = {0: torch.export.Dim("texts")}
    if not tokens.rules.fixed:
        shape[1] = torch.export.Dim("tokens", max=tokens.rules.longest)
    export_graph(network, {"ids": ids, "mask": mask}, {"ids": shape, "mask": shape}, path)


def export_vision(network: nn.Module, sample: Array, path: Path) -> None:
    """Write the graph of a vision network: pixels float32 [n, ...] to float32 [n, width]."""
    pixels = torch.from_numpy(sample)[None].repeat(2, *[1] * sample.ndim)
    export_graph(network, {"pixels": pixels}, {"pixels": {0: torch.export.Dim("pictures")}}, path)


def export_graph(network: nn.Module, inputs: dict[str, torch.Tensor], shapes: Any, path: Path) -> None:
    """Write the graph of a module's `forward`, with `inputs` by name as examples; its output is `vectors`.

    shapes: dimensions that vary, by input and position (`torch.export.Dim`).
    """
    plain = copy.deepcopy(network).cpu().eval()
    with _quiet(), needs("onnx"):
        program = torch.export.export(plain, (), kwargs=inputs, dynamic_shapes=shapes, strict=False)
        torch.onnx.export(
            program,
            (),
            str(path),
            input_names=list(inputs),
            output_names=["vectors"],
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def quantise(source: Path, target: Path) -> None:
    """Write the int8 graph of the fp32 graph `source`."""
    with _quiet(), needs("onnx"):
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
    loggers = [logging.getLogger(name) for name in LOGGERS]
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
