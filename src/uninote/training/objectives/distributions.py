"""Candidate distributions Q (Eq. 6) and P (Eq. 7) in the log domain, where nothing overflows."""

from __future__ import annotations

import torch
from torch import Tensor


def log_probabilities(scores: Tensor, temperature: float, mask: Tensor | None = None) -> Tensor:
    """Return log softmax(s / τ) over the last dimension: log P of cosines (Eq. 7), log Q of labels (Eq. 6).

    A masked entry holds the lowest finite number rather than -inf: its exp is exactly 0, and 0 times a
    difference of two such entries is 0, so neither a divergence nor its gradient turns into NaN.

    Args:
        scores: [..., K] float of any precision; the result has at least float32.
        temperature: τ > 0.
        mask: [..., K] bool, True where the entry counts; None means everywhere.

    Returns:
        [..., K]. The probabilities of a row sum to 1, or to 0 where its mask is all False.
    """
    logits = scores.to(torch.promote_types(scores.dtype, torch.float32)) / temperature
    if mask is None:
        return logits.log_softmax(-1)
    lowest = torch.finfo(logits.dtype).min
    # Filled twice: before, so that masked entries take no mass; after, for rows with nothing to normalise.
    return logits.masked_fill(~mask, lowest).log_softmax(-1).masked_fill(~mask, lowest)


def kl_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(P ‖ Q) = Σ p (log p - log q) in nats over the last dimension: [..., K], [..., K] -> [...]."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)
