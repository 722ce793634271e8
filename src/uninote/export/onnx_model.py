"""ONNX export of a compact model: its own folder, with the towers as graphs and a graph of the aggregator.

`Encoder.load` runs the towers of such a folder on onnxruntime, without their packages. For other programs,
`onnx.json` describes the inputs and outputs of every graph.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import torch

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.towers import EXPORTED
from uninote.encoder.towers.graphs import export_graph
from uninote.encoder.towers.saved import save_tower

AGGREGATOR = "aggregator.onnx"
TEXT = "ids, mask int64 [n, tokens] to rows of length 1"


def write_onnx(encoder: Encoder, folder: Path) -> None:
    """Write the model with its graphs: text towers in fp32 and int8, pictures and aggregator in fp32."""
    backbone = cast(CompactBackbone, encoder.backbone)
    encoder.save(folder)
    texts = {f"text-{n}": tower for n, tower in enumerate(backbone.towers.texts)}
    for name, tower in texts.items():
        save_tower(tower, folder / EXPORTED / name, ("fp32", "int8"))
    save_tower(backbone.towers.vision, folder / EXPORTED / "vision")
    _export_aggregator(backbone, folder / AGGREGATOR)
    (folder / "onnx.json").write_text(json.dumps(_description(backbone, list(texts)), indent=2), "utf-8")


def _export_aggregator(backbone: CompactBackbone, path: Path) -> None:
    aggregator = backbone.aggregator
    item, text, picture = (torch.export.Dim(name) for name in ("items", "texts", "pictures"))
    element = torch.export.Dim("elements")
    inputs: dict[str, Any] = {
        "kind": torch.tensor([0, 1, 2, 0, 2]),
        "row": torch.tensor([0, 1, 4, 2, 3]),
        "lengths": torch.tensor([3, 2]),
        "texts": torch.rand(3, sum(aggregator.text_widths)),
        "pictures": torch.rand(4, backbone.towers.vision.width),
    }
    dims = {"kind": element, "row": element, "lengths": item, "texts": text, "pictures": picture}
    export_graph(aggregator, inputs, {name: {0: dim} for name, dim in dims.items()}, path)


def _description(backbone: CompactBackbone, texts: list[str]) -> dict[str, Any]:
    widths = backbone.aggregator.text_widths
    return {
        "graphs": {
            **{f"{EXPORTED}/{name}/fp32.onnx": TEXT for name in texts},
            f"{EXPORTED}/vision/fp32.onnx": "pixels float32 [n, ...] to rows",
            AGGREGATOR: {
                "kind": "int64 [elements]: 0 text, 1 text read in a picture, 2 picture",
                "row": "int64 [elements]: place in texts followed by pictures",
                "lengths": "int64 [items]: elements of each item, which follow one another",
                "texts": f"float32 [texts, {sum(widths)}]: rows of the text towers side by side",
                "pictures": f"float32 [pictures, {backbone.towers.vision.width}]",
                "output": f"float32 [items, {backbone.width}], to be cut to a trained dimension and normalised",
            },
        }
    }
