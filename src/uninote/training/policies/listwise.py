"""Listwise loss on graded targets (ListNet, Cao et al. 2007), the supervised counterpart of the policies."""

from __future__ import annotations

import torch

from uninote.training.objectives.distributions import log_probabilities
from uninote.training.policies.protocol import PolicyLoss, RewardFunction
from uninote.training.rl_groups import Group

SHARPNESS = 4.0
"""Logit of the best relevant note over one without overlap."""


def listwise(
    group: Group, reward: RewardFunction, temperature: float, generator: torch.Generator | None = None
) -> PolicyLoss:
    """Return -sum_i q(i) log π(p_i), π = softmax(cos / τ) over the group; shapes as in `Policy`.

    With M the last true position of a relevant note in the group, the target q is the softmax of
    `SHARPNESS` * (M + 1 - v) / M over the relevant notes of true positions v. A group without one is skipped.
    The rewards are reported only: unlike theirs, this gradient does not end at the right order.
    """
    last = group.positions.masked_fill(~group.relevant, 0).amax(-1, keepdim=True).clamp(min=1)
    grades = SHARPNESS * (last + 1 - group.positions) / last
    skipped = ~group.relevant.any(-1)
    target = grades.masked_fill(~group.relevant, -torch.inf).softmax(-1).nan_to_num(0.0)
    log_pi = log_probabilities(group.cosines, temperature)
    loss = -(target * log_pi).sum(-1).mean()
    return PolicyLoss(loss, reward(group.positions, group.relevant), skipped.sum())
