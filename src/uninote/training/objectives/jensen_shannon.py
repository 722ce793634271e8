"""Jensen-Shannon divergence: bounded by ln 2, so that a wrong label cannot dominate a batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uninote.training.objectives.distributions import kl_divergence, log_probabilities


def jensen_shannon(
    cosines: Tensor, labels: Tensor, mask: Tensor, temperature: float, positive: Tensor | None = None
) -> Tensor:
    """Return ½ KL(P ‖ M) + ½ KL(Q ‖ M) with M = ½ (P + Q), mean over the batch; shapes as in `Objective`."""
    log_p = log_probabilities(cosines, temperature, mask)
    log_q = log_probabilities(labels.detach(), temperature, mask)
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return (0.5 * (kl_divergence(log_p, log_m) + kl_divergence(log_q, log_m))).mean()
