"""Weighted softmax policy over the group's cosines, E under the policy itself."""

from __future__ import annotations

import torch

from uninote.training.advantages import group_advantages
from uninote.training.objectives.distributions import log_probabilities
from uninote.training.policies.protocol import PolicyLoss, RewardFunction
from uninote.training.rl_groups import Group


def weighted_softmax(
    group: Group, reward: RewardFunction, temperature: float, generator: torch.Generator | None = None
) -> PolicyLoss:
    """Return -Σ_i sg[π(p_i)] A_i log π(p_i), the exact E over i ~ π of Eq. 13; shapes as in `Policy`.

    The gradient at cosine i is -π_i (A_i - Σ π A) / τ. It fades as π converges, but π converges to the one
    note with the highest advantage, and the order of the others is left to chance.
    """
    rewards = reward(group.positions, group.relevant)
    advantages, skipped = group_advantages(rewards.total)
    log_pi = log_probabilities(group.cosines, temperature)
    weighted = log_pi.detach().exp() * advantages * log_pi
    return PolicyLoss(-weighted.sum(-1).mean(), rewards, skipped.sum())
