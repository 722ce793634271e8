"""Policy protocol: the call signature of every stage 2 ranking policy."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from uninote.training.rewards import Rewards
from uninote.training.rl_groups import Group


class RewardFunction(Protocol):
    """Reward function: `ranking_rewards` with |L_rel| and the ablation switches bound."""

    def __call__(self, positions: Tensor, relevant: Tensor, /) -> Rewards:
        """Return rewards of rankings: [..., B, G] int64 true positions and [..., B, G] bool relevance."""
        ...


class PolicyLoss(NamedTuple):
    """Outcome of one step of a policy.

    Attributes:
        loss: scalar to minimise, at least float32, mean over the batch; a skipped group counts as 0.
        rewards: of the predicted (greedy) ranking, [B, G], the same measure for every policy.
        skipped: number of groups without variance, which have no gradient, scalar int64.
    """

    loss: Tensor
    rewards: Rewards
    skipped: Tensor


class Policy(Protocol):
    """Ranking policy: the loss -E[A · log π_θ] of the group's cosines and a reward (Eq. 13)."""

    def __call__(
        self,
        group: Group,
        reward: RewardFunction,
        temperature: float,
        generator: torch.Generator | None = None,
    ) -> PolicyLoss:
        """Return the loss of a batch of groups.

        Args:
            group: the model's top G; gradients flow into `group.cosines`.
            reward: called on the group's order, and on every ranking that the policy samples.
            temperature: τ > 0 of π, the same wherever π is sampled and wherever it is scored.
            generator: source of samples, on the device of the cosines; deterministic policies ignore it.
        """
        ...
