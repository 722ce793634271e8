"""Symmetric KL, the paper's stage 1 objective (Eq. 6-8), which the paper calls "JS"."""

from __future__ import annotations

from torch import Tensor

from uninote.training.objectives.distributions import kl_divergence, log_probabilities


def symmetric_kl(
    cosines: Tensor, labels: Tensor, mask: Tensor, temperature: float, positive: Tensor | None = None
) -> Tensor:
    """Return ½ KL(P ‖ Q) + ½ KL(Q ‖ P), Eq. 8, mean over the batch; shapes as in `Objective`."""
    log_p = log_probabilities(cosines, temperature, mask)
    log_q = log_probabilities(labels.detach(), temperature, mask)
    return (0.5 * (kl_divergence(log_p, log_q) + kl_divergence(log_q, log_p))).mean()
