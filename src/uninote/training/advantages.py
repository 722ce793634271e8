"""Group-relative advantages (Eq. 12): no value network, the group is its own baseline."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """`values` [B, G] float32 with zero mean over the group; `skipped` [B] bool, groups without signal."""

    values: Tensor
    skipped: Tensor


def group_advantages(rewards: Tensor, epsilon: float = 1e-6, standardise: bool = True) -> Advantages:
    """Return A_i = (r_i - mean r) / (std r + ε) over the last dimension, [B, G] float (Eq. 12).

    std is the population's (divided by G), so a group's mean squared advantage is 1. A group whose rewards
    are all equal, to within ε, is skipped: its advantages are exactly 0, where dividing rounding errors by
    their own size would make noise as loud as signal.
    """
    rewards = rewards.to(torch.promote_types(rewards.dtype, torch.float32))
    spread, mean = torch.std_mean(rewards, dim=-1, correction=0, keepdim=True)
    skipped = rewards.amax(-1) - rewards.amin(-1) <= epsilon
    values = rewards - mean
    if standardise:
        values = values / (spread + epsilon)
    return Advantages(values.masked_fill(skipped.unsqueeze(-1), 0.0), skipped)
