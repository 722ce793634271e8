"""Groups of similar notes, so that the relevant notes of one query are hard noise for the next."""

from __future__ import annotations

import torch
from torch import Tensor


def neighbour_groups(vectors: Tensor, size: int, seed: int) -> list[int]:
    """Group rows: a random free row with its `size` - 1 nearest free ones, until none is left.

    A rest smaller than `size` joins the last group. Time grows with n²/size, memory with n.

    Args:
        vectors: unit rows, [n, d] float.
        size: rows in a group.
    """
    groups = torch.full((len(vectors),), -1)
    generator = torch.Generator().manual_seed(seed)
    made = 0
    for first in torch.randperm(len(vectors), generator=generator).tolist():
        free = int((groups < 0).sum())
        if groups[first] >= 0 or free == 0:
            continue
        cosines = (vectors @ vectors[first]).masked_fill(groups >= 0, -torch.inf)
        taken = size if free >= 2 * size else free
        groups[cosines.topk(taken).indices] = made
        made += 1
    return groups.tolist()
