"""Vision tower: a preparation of pictures and a network, and their loaders."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from uninote.encoder.towers.efficientnet import EfficientNetLite
from uninote.encoder.towers.network import PatchVision, SharedVision, VisionNetwork
from uninote.encoder.towers.pixels import Preprocess, Processed, Square
from uninote.encoder.towers.pretrained import load_model, loading, quiet
from uninote.encoder.towers.protocol import Array
from uninote.encoder.towers.runtime import Batch, Runner
from uninote.errors import ModelError

SAMPLE = Image.new("RGB", (48, 32), (120, 90, 60))


class VisionParts(NamedTuple):
    """Parts of a vision tower. `shared`: True in a space of texts and pictures."""

    preprocess: Preprocess
    network: nn.Module
    shared: bool


class PixelTower:
    """`VisionTower` of prepared pixels; see the protocol."""

    def __init__(
        self, name: str, width: int, space: str | None, preprocess: Preprocess, runner: Runner
    ) -> None:
        self.name, self.width, self.space = name, width, space
        self.preprocess, self.runner = preprocess, runner

    def pixels(self, image: Image.Image) -> Array:
        return self.preprocess(image)

    def encode(self, pixels: Array) -> Array:
        vectors = np.empty((len(pixels), self.width), dtype=np.float32)
        many = self.runner.pictures
        starts = range(0, len(pixels), many)
        inputs: list[Batch] = [{"pixels": pixels[start : start + many]} for start in starts]
        for start, found in zip(starts, self.runner.run(inputs), strict=True):
            vectors[start : start + many] = found
        return vectors


def width_of(parts: VisionParts) -> int:
    """Return the dimension of the network's vectors, by running it once."""
    with torch.inference_mode():
        return int(parts.network(torch.from_numpy(parts.preprocess(SAMPLE)[None])).shape[1])


def load_efficientnet(side: int) -> VisionParts:
    """Load the tower of the package for pictures of `side` pixels."""
    return VisionParts(Square(side), EfficientNetLite(), shared=False)


def load_vision(folder: Path) -> VisionParts:
    """Load a folder of `transformers`. Raises ModelError when it holds no vision model."""
    model, pooled = loaded = load_model(folder)
    if not loaded.shared and model.main_input_name != "pixel_values":
        raise ModelError(
            f"{folder} holds a {model.config.model_type} model, which reads no pictures: name it as the "
            "text tower"
        )
    with loading(folder, "preprocessor_config.json"), quiet():
        preprocess = Processed.from_folder(folder)
        packed = "spatial_shapes" in preprocess.processor.model_input_names
    if loaded.shared:
        return VisionParts(preprocess, PatchVision(model) if packed else SharedVision(model), shared=True)
    with loading(folder, "a vision model of fixed size"), torch.inference_mode():
        found = model(pixel_values=torch.from_numpy(preprocess(SAMPLE)[None]))
    has_pooled = pooled and getattr(found, "pooler_output", None) is not None
    class_token = any(name.endswith("cls_token") for name, _ in model.named_parameters())
    return VisionParts(preprocess, VisionNetwork(model, has_pooled, class_token), shared=False)
