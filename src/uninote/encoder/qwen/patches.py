"""Patches of a Qwen-style vision tower: frames cut into squares as bytes, and their normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def to_patches(frames: NDArray[np.uint8], patch: int, merge: int) -> torch.Tensor:
    """Return uint8 [patches, 3 x T x patch x patch] of the T frames of one temporal patch.

    The order is that of the processor of `transformers`: patches that merge into one visual token stand
    together, values by channel, frame, row, column.

    Args:
        frames: uint8 [T, h, w, 3]; h and w are multiples of `patch` x `merge`.
    """
    count, height, width, _ = frames.shape
    rows, columns = height // patch // merge, width // patch // merge
    split = frames.reshape(count, rows, merge, patch, columns, merge, patch, 3)
    values = split.transpose(1, 4, 2, 5, 7, 0, 3, 6).reshape(rows * columns * merge**2, -1)
    return torch.from_numpy(values)


def normalised(
    patches: torch.Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> torch.Tensor:
    """Return (patches / 255 - mean) / std by channel, computed in float32, as `dtype`, on the same device."""
    channels = patches.view(len(patches), 3, -1)
    middle, spread = (torch.tensor(part, device=patches.device).view(3, 1) for part in (mean, std))
    found: torch.Tensor = ((channels * (1 / 255) - middle) / spread).to(dtype)
    return found.view(len(patches), -1)
