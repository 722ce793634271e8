"""Groups of stage 2: the predicted ranking that is rewarded, the model's top G of a query's candidates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Group(NamedTuple):
    """Group P = [p_1 … p_G] for a batch of queries, best first.

    Attributes:
        columns: column of each note in the query's candidates, [B, G] int64.
        cosines: cos(e_q, e_p), [B, G] float in descending order, differentiable.
        positions: true positions v, [B, G] int64, 1-based.
        relevant: [B, G] bool, True for the notes of L_rel.
    """

    columns: Tensor
    cosines: Tensor
    positions: Tensor
    relevant: Tensor


def top_group(
    cosines: Tensor, positions: Tensor, relevant: Tensor, size: int, mask: Tensor | None = None
) -> Group:
    """Return the `size` candidates with the highest cosine, in descending order.


    A relevant note outside the top G is not in the group: it has no predicted position and no reward.
    Equal cosines rank the truly worse note first, so a collapsed model cannot look perfect because its
    candidates were listed in the true order.

    Args:
        cosines: cos(e_q, e_c) over L_rank, [B, N] float.
        positions: true positions v within L_rank, [B, N] int64, 1-based. Noise notes have no true order
            among themselves: they take any positions after all the relevant ones.
        relevant: [B, N] bool.
        size: G.
        mask: [B, N] bool, False where a row's candidate list is padded; None means nowhere.

    Returns:
        The group. Raises ValueError when a query has fewer than `size` candidates.
    """
    fewest = cosines.shape[-1] if mask is None else int(mask.sum(-1).min())
    if not 0 < size <= fewest:
        raise ValueError(f"a group of {size} needs at least as many candidates; a query has {fewest}")
    keys = cosines.detach() if mask is None else cosines.detach().masked_fill(~mask, -torch.inf)
    worst_first = positions.argsort(dim=-1, descending=True, stable=True)
    order = keys.gather(-1, worst_first).argsort(dim=-1, descending=True, stable=True)
    columns = worst_first.gather(-1, order)[..., :size]
    return Group(columns, *(values.gather(-1, columns) for values in (cosines, positions, relevant)))
