"""Sampling of a video by rate, as the processors of Qwen-VL models do: which frames, and their moments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uninote.items import Moment

MIN_FRAMES = 4
"""Fewest frames of a video that has as many."""
DEFAULT_FPS = 24.0
"""Frames a second of a video that does not say."""


def chosen(
    stamps: Sequence[float] | NDArray[np.float64], seconds: float, rate: float, most: int
) -> tuple[list[int], list[Moment]]:
    """Choose frames at even times from the first frame to the last one. Returns indices and moments.

    There are `rate` of them a second: at least `MIN_FRAMES`, at most `most`, and not more than the video has.
    Of a constant rate these are the frames that Qwen3-VL's processor takes by evenly spaced indices; of a
    varying one even indices are not even times.

    Args:
        stamps: time in seconds of each frame, rising, at least one.
        seconds: length of the video.
    """
    times = np.asarray(stamps, dtype=np.float64) - stamps[0]
    count = min(max(int(seconds * rate + 1e-6), MIN_FRAMES), most, len(times))
    wanted = np.linspace(0.0, times[-1], count)
    # Rounded twice: noise of the floating point must not decide between two frames that are equally near.
    indices = np.interp(wanted, times, np.arange(len(times))).round(6).round().astype(int)
    found = np.unique(indices).tolist()
    step = seconds / len(found)
    return found, [Moment(float(times[index]), step) for index in found]
