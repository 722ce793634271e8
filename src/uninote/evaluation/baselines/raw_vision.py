"""Raw vision tower, a baseline of untrained picture features; pictures only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from uninote.encoder.matryoshka import truncate_numpy
from uninote.evaluation.baselines.late_fusion import LateFusion, picture_elements
from uninote.evaluation.protocols import Floats
from uninote.items import Item, Picture


class RawVision:
    """An element encoder for single pictures: the rows of the tower.

    Args:
        rows: pictures to float `[n, width]`, e.g. `Towers.picture_rows`; may raise PictureError.
    """

    def __init__(self, rows: Callable[[Sequence[Picture]], Floats]) -> None:
        self._rows = rows

    def encode(self, items: Sequence[Item]) -> Floats:
        """Return float32 `[n, width]` unit rows of one-picture items."""
        rows = self._rows([item.pictures[0] for item in items])
        return truncate_numpy(rows, rows.shape[1])


def raw_vision(rows: Callable[[Sequence[Picture]], Floats]) -> LateFusion:
    """Return the baseline: best pair of pictures."""
    return LateFusion(RawVision(rows), elements=picture_elements)
