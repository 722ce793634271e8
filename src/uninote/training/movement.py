"""Movement of a model by a training stage: how far its vectors and weights are from those before."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from uninote.encoder import Encoder
from uninote.files import write_atomic
from uninote.items import Item

FILE = "movement.json"
ITEMS = 32
"""Training items whose vectors are compared, evenly from all."""
STILL = 1e-8
"""Largest mean distance, one minus the cosine, of vectors that count as unmoved: an angle of 0.01 degrees."""


@dataclass(frozen=True)
class Movement:
    """Distance between a model before and after a stage.

    Attributes:
        items: items whose vectors were compared.
        distance: mean of one minus the cosine between an item's vectors before and after; None without items.
        weights: ‖w' - w‖ / ‖w‖ over the trained weights; 0 where no weight trains.
        without_gradient: share of the steps that had no gradient; None where it was not counted.
    """

    items: int
    distance: float | None
    weights: float
    without_gradient: float | None = None

    @property
    def unmoved(self) -> bool:
        """Whether the stage learned nothing: no step had a gradient, or the vectors are those before."""
        still = self.distance is not None and self.distance <= STILL
        return self.without_gradient == 1 or still or self.weights == 0

    def sentence(self) -> str:
        """Return one line for people."""
        parts = [f"trained weights changed by {self.weights:.2%}"]
        if self.distance is not None:
            mean = (
                f"mean cosine {1 - self.distance:.4f} of {self.items} training items with themselves before"
            )
            parts.insert(0, mean)
        if self.without_gradient is not None:
            parts.append(f"{self.without_gradient:.0%} of the steps had no gradient")
        return f"moved: {', '.join(parts)}"


def vector_distance(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float | None:
    """Return the mean of `1 - cos` of unit rows, float32 [n, d] each: half the mean squared distance.

    Rows with NaN, of items that could not be read, are left out; None if none is left.
    """
    gaps = 0.5 * ((before.astype(np.float64) - after.astype(np.float64)) ** 2).sum(axis=1)
    known = gaps[np.isfinite(gaps)]
    return float(known.mean()) if len(known) else None


def weight_change(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Return ‖after - before‖ / ‖before‖ over all tensors together; 0 without any."""
    change = sum(float((after[name].double() - old.double()).square().sum()) for name, old in before.items())
    size = sum(float(old.double().square().sum()) for old in before.values())
    return math.sqrt(change / size) if size else math.sqrt(change)


class Start:
    """A model before a stage; its axes must be as they are when `movement` is called.

    items: items of the training, of which `ITEMS` are encoded.
    """

    def __init__(self, encoder: Encoder, items: Sequence[Item]) -> None:
        self._items = list(items[:: -(-len(items) // ITEMS) or 1])
        self._vectors, self._weights = self._of(encoder)

    def movement(self, encoder: Encoder, without_gradient: float | None = None) -> Movement:
        """Return how far the encoder is from the start."""
        vectors, weights = self._of(encoder)
        distance = vector_distance(self._vectors, vectors)
        return Movement(len(self._items), distance, weight_change(self._weights, weights), without_gradient)

    def _of(self, encoder: Encoder) -> tuple[npt.NDArray[np.float32], dict[str, Tensor]]:
        module: Any = encoder.backbone
        vectors = encoder.encode(self._items, failures={}) if self._items else np.zeros((0, 1), np.float32)
        return vectors, trained_weights(module)


def trained_weights(module: nn.Module) -> dict[str, Tensor]:
    """Return copies on the CPU of the parameters that train, by name."""
    trained = ((name, one) for name, one in module.named_parameters() if one.requires_grad)
    return {name: one.detach().to("cpu", copy=True) for name, one in trained}


def write_movement(movement: Movement, folder: Path) -> None:
    """Write the movement to `FILE` in the folder of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    with write_atomic(folder / FILE, several_writers=True) as partial:
        partial.write_text(json.dumps(asdict(movement)))


def read_movement(folder: Path) -> Movement | None:
    """Return the movement of a run, None if the folder has none."""
    file = folder / FILE
    return Movement(**json.loads(file.read_text())) if file.is_file() else None
