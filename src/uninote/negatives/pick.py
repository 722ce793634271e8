"""Selection of hard negatives from scored candidates (Eq. 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from uninote.negatives.band import Band, in_band
from uninote.negatives.maxsim import Floats, Ints


class Origin(IntEnum):
    """Reason why a candidate was picked; NONE marks an empty place."""

    NONE = 0
    BAND = 1
    BELOW = 2
    RANDOM = 3


@dataclass(frozen=True)
class Picked:
    """Candidate numbers int64 [q, k], -1 if empty, and origins int8 [q, k] by query; empty places last."""

    candidates: Ints
    origins: npt.NDArray[np.int8]


def pick_negatives(scores: Floats, band: Band, count: int, pool: int, rng: np.random.Generator) -> Picked:
    """Draw `count` negatives for each query.

    From the `pool` nearest candidates, those in the band are drawn at random. If they are too few, the
    nearest below the band follow, then random candidates from outside the pool. A candidate above the band
    may be a false negative and is never picked.

    Args:
        scores: float32 [q, n]; -inf excludes a candidate from its row.
    """
    queries, total = scores.shape
    pool = min(pool, total)
    nearest = np.argpartition(scores, total - pool, axis=1)[:, total - pool :] if 0 < pool < total else None
    if nearest is None:
        nearest = np.broadcast_to(np.arange(total), (queries, total))
    values = np.take_along_axis(scores, nearest, axis=1)
    descending = np.argsort(-values, axis=1, kind="stable")
    nearest = np.take_along_axis(nearest, descending, axis=1)
    values = np.take_along_axis(values, descending, axis=1)

    inside = in_band(values, band)
    below = np.isfinite(values) & (values < band.low)
    # Order of preference: in the band at random (< 1), then below it by nearness (>= 1), then never.
    place = np.where(below, 1.0 + np.arange(pool), np.inf)
    place = np.where(inside, rng.random(values.shape), place)
    best = np.argsort(place, axis=1, kind="stable")[:, :count]
    kept = np.isfinite(np.take_along_axis(place, best, axis=1))

    candidates = np.full((queries, count), -1, dtype=np.int64)
    origins = np.full((queries, count), Origin.NONE, dtype=np.int8)
    width = best.shape[1]
    candidates[:, :width] = np.where(kept, np.take_along_axis(nearest, best, axis=1), -1)
    from_band = np.take_along_axis(inside, best, axis=1)
    origins[:, :width] = np.where(kept, np.where(from_band, Origin.BAND, Origin.BELOW), Origin.NONE)

    if pool < total:
        for row in np.flatnonzero((candidates < 0).any(axis=1)):
            eligible = np.isfinite(scores[row]) & (scores[row] <= band.high)
            eligible[nearest[row]] = False
            free = np.flatnonzero(candidates[row] < 0)
            drawn = rng.permutation(np.flatnonzero(eligible))[: len(free)]
            candidates[row, free[: len(drawn)]] = drawn
            origins[row, free[: len(drawn)]] = Origin.RANDOM
    return Picked(candidates, origins)
