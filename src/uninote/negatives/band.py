"""The similarity band of hard negatives: `τ_min ≤ sim(φ(q), φ(c)) ≤ τ_max` (Eq. 3)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from uninote.errors import ConfigError
from uninote.negatives.maxsim import Floats
from uninote.settings import NegativeSettings


class Band(NamedTuple):
    """Edges of the band as similarities, both inclusive; NaN for quantiles of no scores."""

    low: float
    high: float


def resolve_band(scores: Floats, settings: NegativeSettings) -> Band:
    """Return the band of `settings` as similarities.

    The paper's [0.5, 0.7] was set by inspection for its φ; another φ needs its own, so by default the
    edges are quantiles of φ's score distribution.

    Args:
        scores: float32, any shape: sampled scores of queries against candidates that are not positives.

    Raises ConfigError when the lower edge is above the upper one, or a quantile is outside [0, 1].
    """
    low, high = settings.band
    if not low <= high:
        raise ConfigError(f"negatives.band: the lower edge {low} is above the upper edge {high}")
    if settings.band_unit == "similarity":
        return Band(low, high)
    if not (low >= 0 and high <= 1):
        raise ConfigError(f"negatives.band: quantiles must lie in [0, 1], got [{low}, {high}]")
    if scores.size == 0:
        return Band(math.nan, math.nan)
    edges = np.quantile(scores, [low, high])
    return Band(float(edges[0]), float(edges[1]))


def in_band(scores: Floats, band: Band) -> npt.NDArray[np.bool_]:
    """Return the bool mask, of the shape of `scores`, of the scores in the band, edges included."""
    return (scores >= band.low) & (scores <= band.high)
