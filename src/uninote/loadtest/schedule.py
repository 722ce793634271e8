"""Schedule of a load: due times, fixed before the first request, so that slow answers do not delay others."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ConfigError

Arrivals = Literal["poisson", "fixed"]
MOST = 10_000_000  # requests of one run


def schedule(rate: float, seconds: float, arrivals: Arrivals, seed: int = 0) -> NDArray[np.float64]:
    """Return the due times in seconds from the start, ascending: float64 [n], all below `seconds`.

    `fixed` spaces them evenly; `poisson` draws exponential gaps, as many independent callers make them.
    Raises ConfigError for a rate or time that is not positive, or when it would be no or too many requests.
    """
    if not (rate > 0 and seconds > 0 and rate * seconds <= MOST):
        raise ConfigError(f"rate and seconds must be positive, and rate x seconds at most {MOST:,}")
    if arrivals == "fixed":
        due = np.arange(max(1, round(rate * seconds))) / rate
    else:
        draw = np.random.default_rng(seed)
        many = int(rate * seconds + 10 * (rate * seconds) ** 0.5 + 20)
        due = np.cumsum(draw.exponential(1 / rate, many))
    due = due[due < seconds]
    if not len(due):
        raise ConfigError("no request falls into so short a time; raise rate or seconds")
    return due
