"""Perceptual hash: what a platform without any model uses to find a picture again.

The 64 low-frequency signs of a 32 x 32 grey picture's cosine transform (the usual "pHash"). Written as
+-1/8 the hash is a unit vector of width 64 with `cos = 1 - 2 hamming / 64`, so it is one more element
encoder of `LateFusion`, pictures only, 8 bytes each.
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
        """float32 `[n, 64]` unit rows of one-picture items."""
        return np.stack([phash(self._load(item.pictures[0])) for item in items])


def phash(image: Image.Image) -> Floats:
    """float32 `[64]`: the signs around the median of the low-frequency DCT-II block, over 8."""
    grey = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    position = np.arange(SIDE)
    basis = np.cos(np.pi * np.outer(np.arange(KEPT), position + 0.5) / SIDE)
    block = (basis @ grey @ basis.T).ravel()
    # The first coefficient is the mean brightness, far above the rest; the median ignores it.
    return np.where(block > np.median(block), 1 / KEPT, -1 / KEPT).astype(np.float32)


def perceptual_hash(load: Callable[[Picture], Image.Image]) -> LateFusion:
    """The baseline: best pair of pictures, 8 bytes a picture."""
    return LateFusion(PerceptualHash(load), elements=picture_elements, bytes_per_vector=8)
