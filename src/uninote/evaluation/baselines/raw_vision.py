"""Raw vision tower, a baseline of untrained picture features; pictures only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from uninote.evaluation.baselines.late_fusion import LateFusion, picture_elements
from uninote.evaluation.protocols import Floats
from uninote.items import Item, Picture


class RawVision:
    """An element encoder for single pictures: the unit mean of the tower's cells.

    Args:
        features: pictures to float `[n, cells, channels]`, e.g. `VisionFeatures`; may raise PictureError.
    """

    def __init__(self, features: Callable[[Sequence[Picture]], Any]) -> None:
        self._features = features

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 `[n, channels]` unit rows of one-picture items."""
        cells = np.asarray(self._features([item.pictures[0] for item in items]), dtype=np.float32)
        pooled = cells.mean(axis=1)
        norms = np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)
        return np.asarray(pooled / norms, dtype=np.float32)


def raw_vision(features: Callable[[Sequence[Picture]], Any]) -> LateFusion:
    """Return the baseline: best pair of pictures."""
    return LateFusion(RawVision(features), elements=picture_elements)
