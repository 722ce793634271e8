"""Video as Qwen-VL processors take it: clips of an item, temporal patches, their size and their times.

A clip is a run of frames that were sampled by rate. Two frames make one temporal patch. Qwen3-VL writes the
time of each patch into the text; Qwen2.5-VL spaces the positions of the patches by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize as resize_frame
from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize as resize_video

from uninote.items import Item, Ocr, Part, Picture, same_video

TEMPORAL = 2
"""Frames of one temporal patch."""


class Clip(NamedTuple):
    """Frames of one video, at least one; `step` is the seconds of the video for each."""

    frames: tuple[Picture, ...]
    step: float

    @property
    def patches(self) -> list[tuple[Picture, ...]]:
        """The frames in twos; the last one is repeated where it has no other."""
        even = self.frames + self.frames[-1:] * (-len(self.frames) % TEMPORAL)
        return [even[n : n + TEMPORAL] for n in range(0, len(even), TEMPORAL)]

    def thinned(self, patches: int) -> Clip:
        """Return the clip with frames at even distances that make at most `patches` temporal patches."""
        count = min(len(self.frames), max(patches, 1) * TEMPORAL)
        kept = np.linspace(0, len(self.frames) - 1, count).round().astype(int)
        return Clip(tuple(self.frames[n] for n in kept), self.step * len(self.frames) / count)


def time_of(patch: Sequence[Picture]) -> float:
    """Return the mean time in seconds of the first and the last frame of a temporal patch."""
    first, last = (frame.moment.time if frame.moment else 0.0 for frame in (patch[0], patch[-1]))
    return (first + last) / 2


def with_clips(item: Item) -> list[Part | Clip]:
    """Return the parts with the frames of each video as one clip, in the place of the first of them.

    Texts read in the frames come after the clip, equal ones once: a caption stays in many frames.
    """
    parts: list[Part | Clip] = []
    frames: list[Picture] = []
    read: dict[str, Ocr] = {}

    def close() -> None:
        if frames:
            assert frames[0].moment is not None, "only such frames begin a clip"
            parts.append(Clip(tuple(frames), frames[0].moment.step))
            parts.extend(read.values())
            frames.clear()
            read.clear()

    for part in item.parts:
        if isinstance(part, Picture) and part.moment is not None:
            if frames and not same_video(frames[-1], part):
                close()
            frames.append(part)
        elif isinstance(part, Ocr) and any(part.of == frame.digest for frame in frames):
            read.setdefault(part, part)
        else:
            close()
            parts.append(part)
    close()
    return parts


class VideoRules:
    """Rules of a checkpoint for videos.

    Attributes:
        stamped: the time of each temporal patch stands in the text, before the patch (since Qwen3-VL).
        interval: positions on the time axis for each second; 0 where patches follow one another by 1.
        least, most: bounds of the area in pixels: of all frames together if `stamped`, else of one frame.
    """

    def __init__(self, processing: Mapping[str, Any], config: Any) -> None:
        """Take the configurations of the video processor and of the model."""
        self.stamped = str(config.model_type).startswith("qwen3")
        self.interval = float(getattr(config.vision_config, "tokens_per_second", 0) or 0)
        size = processing.get("size") or {}
        self.least = int(processing.get("min_pixels") or size.get("shortest_edge") or 1)
        self.most = int(processing.get("max_pixels") or size.get("longest_edge") or 1 << 40)

    def side(self, height: int, width: int, frames: int, unit: int, budget: int) -> tuple[int, int]:
        """Return height and width of the frames, whose temporal patches take at most `budget` visual tokens.

        Args:
            height, width: of a frame as it is, in pixels.
            frames: their number.
            unit: side in pixels of a visual token.
            budget: at least one token for each temporal patch.
        """
        patches = -(-frames // TEMPORAL)
        room = budget * unit**2
        most = TEMPORAL * room
        side: tuple[int, int]
        while True:
            if self.stamped:
                most = min(most, self.most)
                # A single frame counts as two, which it becomes; the library's rule takes no fewer.
                side = resize_video(
                    max(frames, TEMPORAL), height, width, TEMPORAL, unit, min(self.least, most), most
                )
            else:
                each = max(1, min(most // (TEMPORAL * patches), self.most))
                side = resize_frame(height, width, unit, min(self.least, each), each)
            if patches * side[0] * side[1] <= room:
                return side
            if most <= 1:
                return unit, unit
            most //= 2

    def times(self, clip: Clip) -> list[int]:
        """Return the positions of the temporal patches on the time axis, relative to the first."""
        count = len(clip.patches)
        if self.stamped:
            return [0] * count
        step = self.interval * (TEMPORAL * clip.step) if self.interval else 1.0
        found: list[int] = (torch.arange(count) * step).long().tolist()
        return found
