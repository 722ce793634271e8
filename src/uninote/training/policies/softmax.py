"""Softmax policy over the group's cosines, E as the mean over the list: the plain reading of Eq. 13."""

from __future__ import annotations

import torch

from uninote.training.advantages import group_advantages
from uninote.training.objectives.distributions import log_probabilities
from uninote.training.policies.protocol import PolicyLoss, RewardFunction
from uninote.training.rl_groups import Group


def softmax(
    group: Group, reward: RewardFunction, temperature: float, generator: torch.Generator | None = None
) -> PolicyLoss:
    """Return -mean_i A_i log π(p_i), π = softmax(cos / τ) over the group; shapes as in `Policy`.

    Advantages have zero mean, so the gradient at cosine i is -A_i / (G τ) for all scores: every step
    pushes with full force, however good the ranking already is. Anchor it with `group_kl`.
    """
    rewards = reward(group.positions, group.relevant)
    advantages, skipped = group_advantages(rewards.total)
    log_pi = log_probabilities(group.cosines, temperature)
    return PolicyLoss(-(advantages * log_pi).mean(), rewards, skipped.sum())
