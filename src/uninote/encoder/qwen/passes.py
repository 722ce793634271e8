"""Visual tokens of pictures: the vision tower of a Qwen-VL model, in passes of whole pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

PATCHES = 65_536
"""Most patches in one pass of the vision tower, whole pictures: 16,384 visual tokens."""


def visual_tokens(core: Any, pixels: Tensor, grids: Tensor, normalised: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the visual tokens of all pictures [t, width x (1 + DeepStack layers)].

    Where gradients are on, several passes keep the activations of one at a time.

    Args:
        core: model of the library without its language head.
        pixels: uint8 [p, v].
        grids: int64 [u, 3], of the pictures.
        normalised: gives pixels as the tower takes them.
    """

    def see(pixels: Tensor, grids: Tensor) -> Tensor:
        seen = core.get_image_features(normalised(pixels), grids, return_dict=True)
        layers = [seen.pooler_output, *(getattr(seen, "deepstack_features", None) or [])]
        # DeepStack's features come in one piece from older releases of transformers, else by picture.
        whole = [one if isinstance(one, Tensor) else torch.cat(tuple(one)) for one in layers]
        return torch.cat(whole, dim=1)

    passes = picture_passes(pixels, grids)
    again = len(passes) > 1 and torch.is_grad_enabled()
    seen = [checkpoint(see, *part, use_reentrant=False) if again else see(*part) for part in passes]
    return torch.cat(seen) if len(seen) > 1 else seen[0]


def picture_passes(pixels: Tensor, grids: Tensor, most: int | None = None) -> list[tuple[Tensor, Tensor]]:
    """Cut pixels [p, v] and grids int64 [u, 3] into passes of `most` patches at most, or of one picture."""
    sizes = grids.prod(1).tolist()
    cuts = [0]
    filled = 0
    for n, size in enumerate(sizes):
        if filled and filled + size > (most or PATCHES):
            cuts.append(n)
            filled = 0
        filled += size
    counts = [end - start for start, end in pairwise([*cuts, len(sizes)])]
    patches = [sum(sizes[start:end]) for start, end in pairwise([*cuts, len(sizes)])]
    return list(zip(pixels.split(patches), grids.split(counts), strict=True))
