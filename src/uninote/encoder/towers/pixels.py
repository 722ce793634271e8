"""Picture inputs of the towers: the square of the package's tower, and processors of `transformers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from uninote.corpus.rgb import squeezed
from uninote.encoder.towers.protocol import Array


class Preprocess(Protocol):
    """Preparation of one RGB picture; `to_json` holds all that `preprocess_of` needs to build it again."""

    def __call__(self, image: Image.Image) -> Array:
        """Return float32 of one shape for all pictures."""
        ...

    def to_json(self) -> dict[str, Any]:
        """Return the kind and its options."""
        ...


class Square:
    """The whole picture in [-1, 1], padded to a square.

    A crop would lose text at the borders and a stretch the letter shapes.
    """

    def __init__(self, side: int) -> None:
        self.side = side

    def __call__(self, image: Image.Image) -> Array:
        scale = self.side / max(image.size)
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        square = Image.new("RGB", (self.side, self.side), (127, 127, 127))
        resized = image.resize(size, Image.Resampling.BICUBIC)
        square.paste(resized, ((self.side - size[0]) // 2, (self.side - size[1]) // 2))
        array = np.asarray(square, dtype=np.float32) / 127.5 - 1.0
        return np.ascontiguousarray(array.transpose(2, 0, 1))

    def to_json(self) -> dict[str, Any]:
        return {"kind": "square", "side": self.side}


class Processed:
    """The picture as an image processor of `transformers` prepares it, with Pillow on every machine."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor

    @classmethod
    def from_folder(cls, folder: Path) -> Processed:
        """Load the processor of `preprocessor_config.json`. Raises what `transformers` does."""
        from transformers import AutoImageProcessor
        from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

        try:
            return cls(
                AutoImageProcessor.from_pretrained(str(folder), backend="pil", trust_remote_code=False)
            )
        except (ValueError, ImportError):
            # Some kinds exist for torchvision only, as DINOv3's, which does what ViT's does.
            stored, _ = ViTImageProcessorPil.get_image_processor_dict(str(folder))
            if stored.get("do_center_crop"):
                raise
            return cls(ViTImageProcessorPil.from_dict(stored))

    def __call__(self, image: Image.Image) -> Array:
        found = self.processor(images=[squeezed(image)], return_tensors="np")
        pixels = np.asarray(found["pixel_values"][0], dtype=np.float32)
        if "spatial_shapes" not in found:
            return np.ascontiguousarray(pixels)
        shape = np.broadcast_to(np.float32(found["spatial_shapes"][0]), (len(pixels), 2))
        return np.concatenate([pixels, shape], 1)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": "processor",
            "class": type(self.processor).__name__,
            **_plain(self.processor.to_dict()),
        }


def preprocess_of(stored: dict[str, Any]) -> Preprocess:
    """Build what `to_json` described. Raises LookupError for a kind that does not exist."""
    if stored["kind"] == "square":
        return Square(int(stored["side"]))
    import transformers

    name = str(stored["class"])
    if not name.endswith("ImageProcessorPil"):
        raise LookupError(f"no image processor {name}")
    options = {key: value for key, value in stored.items() if key not in ("kind", "class")}
    return Processed(getattr(transformers, name).from_dict(options))


def _plain(stored: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in stored.items() if value is not None}
