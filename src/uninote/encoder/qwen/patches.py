"""Patches of a Qwen-style vision tower: frames cut into squares as bytes, and their normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray


def to_patches(
    frames: NDArray[np.uint8], patch: int, merge: int, out: torch.Tensor | None = None
) -> torch.Tensor:
    """Return uint8 [patches, 3 x T x patch x patch] of the T frames of one temporal patch.

    The order is that of the processor of `transformers`: patches that merge into one visual token stand
    together, values by channel, frame, row, column.

    Args:
        frames: uint8 [T, h, w, 3]; h and w are multiples of `patch` x `merge`.
        out: contiguous tensor of that shape, filled and returned in place of a new one.
    """
    count, height, width, _ = frames.shape
    rows, columns = height // patch // merge, width // patch // merge
    split = frames.reshape(count, rows, merge, patch, columns, merge, patch, 3)
    ordered = split.transpose(1, 4, 2, 5, 7, 0, 3, 6)
    if out is None:
        out = torch.empty(rows * columns * merge**2, 3 * count * patch**2, dtype=torch.uint8)
    np.copyto(out.numpy().reshape(ordered.shape), ordered)
    return out


def normalised(
    patches: torch.Tensor, mean: Sequence[float], std: Sequence[float], dtype: torch.dtype
) -> torch.Tensor:
    """Return (patches / 255 - mean) / std by channel, computed in float32, as `dtype`, on the same device."""
    channels = patches.view(len(patches), 3, -1)
    middle, spread = (torch.tensor(part, device=patches.device).view(3, 1) for part in (mean, std))
    found = channels.float().mul_(1 / 255).sub_(middle).div_(spread)
    return found.view(len(patches), -1).to(dtype)
