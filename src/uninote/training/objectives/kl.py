"""Forward KL from the reference to the model: distillation by cross-entropy on soft labels."""

from __future__ import annotations

from torch import Tensor

from uninote.training.objectives.distributions import kl_divergence, log_probabilities


def kl(
    cosines: Tensor, labels: Tensor, mask: Tensor, temperature: float, positive: Tensor | None = None
) -> Tensor:
    """Return KL(Q ‖ P), the second half of Eq. 8, mean over the batch; shapes as in `Objective`."""
    log_p = log_probabilities(cosines, temperature, mask)
    log_q = log_probabilities(labels.detach(), temperature, mask)
    return kl_divergence(log_q, log_p).mean()
