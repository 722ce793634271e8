"""KL anchor of stage 2: the divergence of the policy from the stage 1 model."""

from __future__ import annotations

from torch import Tensor

from uninote.training.objectives.distributions import kl_divergence, log_probabilities


def group_kl(cosines: Tensor, reference: Tensor, temperature: float) -> Tensor:
    """Return KL(π_θ ‖ π_ref) over the group, to be weighted by β and added to the loss of Eq. 13.

    Exact, not estimated: a group has few members.

    Args:
        cosines: of the trained model, [B, G] float.
        reference: of the stage 1 model for the same notes in the same order, [B, G] float, constants.
        temperature: τ of the policy.

    Returns:
        Scalar, mean over the batch, at least 0.
    """
    log_pi = log_probabilities(cosines, temperature)
    return kl_divergence(log_pi, log_probabilities(reference.detach(), temperature)).mean()
