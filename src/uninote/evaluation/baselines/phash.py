"""Perceptual hash (pHash), a baseline that finds a picture again without any model.

The hash is the 64 low-frequency signs of the cosine transform of the picture in grey at 32 x 32. With signs
written as +-1/8 it is a unit vector of width 64 with `cos = 1 - 2 hamming / 64`. It is therefore an element
encoder of `LateFusion`, for pictures only, with 8 bytes per picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from uninote.evaluation.baselines.late_fusion import LateFusion, picture_elements
from uninote.evaluation.protocols import Floats
from uninote.items import Item, Picture

SIDE = 32
KEPT = 8


class PerceptualHash:
    """An element encoder for single pictures.

    Args:
        load: decodes a picture to RGB; may raise PictureError.
    """

    def __init__(self, load: Callable[[Picture], Image.Image]) -> None:
        self._load = load

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 `[n, 64]` unit rows of one-picture items."""
        return np.stack([phash(self._load(item.pictures[0])) for item in items])


def phash(image: Image.Image) -> Floats:
    """Compute float32 `[64]`: the signs around the median of the low-frequency DCT-II block, over 8."""
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    position = np.arange(SIDE)
    basis = np.cos(np.pi * np.outer(np.arange(KEPT), position + 0.5) / SIDE)
    block = (basis @ grey @ basis.T).ravel()
    # The first coefficient is the mean brightness, far above the rest; the median ignores it.
    return np.where(block > np.median(block), 1 / KEPT, -1 / KEPT).astype(np.float32)


def perceptual_hash(load: Callable[[Picture], Image.Image]) -> LateFusion:
    """Return the baseline: best pair of pictures, 8 bytes per picture."""
    return LateFusion(PerceptualHash(load), elements=picture_elements, bytes_per_vector=8)
