"""RGB conversion of any decoded Pillow picture: upright, 8 bits, on a white background."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageOps

_SIXTEEN_BIT_MAX = 65535

LONGEST_RATIO = 200
"""Largest ratio of the sides of a picture that a processor of `transformers` gets; Qwen's takes no more."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an upright RGB copy of the first frame of `image`, uint8.

    * EXIF orientation is applied.
    * Transparency (RGBA, LA, palette or colour key) is composited on white.
    * 16-bit greys are scaled by 255 / 65535.
    * 32-bit integers outside that range and floats, which have no defined white, are stretched from their
      minimum to their maximum.
    """
    image = _upright(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image).convert("RGB")
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        paper = Image.new("RGBA", with_alpha.size, "white")
        return Image.alpha_composite(paper, with_alpha).convert("RGB")
    return image.convert("RGB")


def squeezed(image: Image.Image) -> Image.Image:
    """Return the picture with its longer side scaled to at most `LONGEST_RATIO` times the shorter one.

    A model that scales the shorter side to a fixed length would need gigabytes for 8 x 5,000,000 pixels.
    """
    size = squeezed_size(image.size)
    return image if size == image.size else image.resize(size, Image.Resampling.BOX)


def squeezed_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the width and height that `squeezed` gives a picture of this size."""
    most = LONGEST_RATIO * min(size)
    return min(size[0], most), min(size[1], most)


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF raises errors of any type; the picture is still usable
        return image


def _deep_grey(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    low, high = float(values.min()), float(values.max())
    if image.mode != "F" and low >= 0 and high <= _SIXTEEN_BIT_MAX:
        low, high = 0.0, float(_SIXTEEN_BIT_MAX)
    scaled = (values - low) * (255.0 / max(high - low, 1e-30))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
