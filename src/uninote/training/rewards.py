"""Rewards of a predicted ranking (Eq. 9-11): recall of relevant notes first, their order second."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Rewards(NamedTuple):
    """Reward r and the parts that it sums, each [..., G] float32, 0 where a part does not apply.

    Attributes:
        total: r_i of Eq. 11.
        penalty: C_pen · (1 + (G - i)/G) at noise ranked above a relevant note.
        base: R_base at relevant notes.
        absolute: R_abs (Eq. 9) at relevant notes.
        relative: R_rel (Eq. 10) at relevant notes.
    """

    total: Tensor
    penalty: Tensor
    base: Tensor
    absolute: Tensor
    relative: Tensor


def absolute_reward(positions: Tensor) -> Tensor:
    """Return R_abs(i) = 1 - |i - v(i)| / G (Eq. 9): [..., G] int64 -> [..., G] float32."""
    size = positions.shape[-1]
    places = torch.arange(1, size + 1, device=positions.device)
    return 1 - (places - positions).abs().float() / size


def relative_reward(positions: Tensor, relevant: Tensor) -> Tensor:
    """Return R_rel(i), the share of the other relevant notes that i is correctly above or below (Eq. 10).

    [..., G] int64, [..., G] bool -> [..., G] float32. Pairs are counted within the group; a note that is
    relevant alone has no order to get right, and earns 0.
    """
    places = torch.arange(positions.shape[-1], device=positions.device)
    predicted = places.unsqueeze(-1) - places
    true = positions.unsqueeze(-1) - positions.unsqueeze(-2)
    concordant = (predicted * true > 0) & relevant.unsqueeze(-2)
    others = relevant.sum(-1, keepdim=True) - relevant.long()
    return concordant.sum(-1).float() / others.clamp(min=1)


def ndcg_rewards(positions: Tensor, relevant: Tensor, n_relevant: Tensor) -> Rewards:
    """Return G times the term of each place in nDCG@G, so the mean over the group is the ranking's nDCG.

    Grades are |L_rel| + 1 - v, as in the evaluation; shapes as in `ranking_rewards`. The parts are 0.
    """
    size = positions.shape[-1]
    ranks = torch.arange(1, size + 1, device=positions.device)
    discount = 1 / (ranks + 1).float().log2()
    best = (n_relevant.unsqueeze(-1) + 1 - ranks).clamp(min=0).float()
    ideal = (best * discount).sum(-1, keepdim=True)
    grades = torch.where(relevant, n_relevant.unsqueeze(-1) + 1 - positions, torch.zeros_like(positions))
    total = size * grades.float() * discount / ideal
    zero = torch.zeros_like(total)
    return Rewards(total, zero, zero, zero, zero)


def ranking_rewards(
    positions: Tensor,
    relevant: Tensor,
    n_relevant: Tensor,
    *,
    penalty: float = -5.0,
    base_factor: float = 3.0,
    absolute: bool = True,
    relative: bool = True,
) -> Rewards:
    """Return r_i for every place i of a predicted ranking (Eq. 11).

    Leading dimensions are free, [B, G] or [samples, B, G]. Each part can be switched off for an ablation:
    `penalty=0`, `base_factor=0`, `absolute=False`, `relative=False`.

    Args:
        positions: v(i), the true position of the note predicted at place i, [..., G] int64, 1-based.
        relevant: whether that note is relevant, [..., G] bool. The position of noise is never read.
        n_relevant: |L_rel|, notes outside the group included, [B] int64.
        penalty: C_pen.
        base_factor: R_base in units of |L_rel|.
        absolute: add R_abs.
        relative: add R_rel.
    """
    size = positions.shape[-1]
    # Relevant notes from this place on; at a noise note, those strictly below it.
    below = relevant.flip(-1).cumsum(-1).flip(-1)
    places = torch.arange(1, size + 1, device=positions.device)
    zero = torch.zeros(relevant.shape, device=positions.device)
    penalised = ~relevant & (below > 0)
    parts = (
        torch.where(penalised, penalty * (1 + (size - places).float() / size), zero),
        torch.where(relevant, base_factor * n_relevant.unsqueeze(-1).float(), zero),
        torch.where(relevant, absolute_reward(positions), zero) if absolute else zero,
        torch.where(relevant, relative_reward(positions, relevant), zero) if relative else zero,
    )
    return Rewards(torch.stack(parts).sum(0), *parts)
