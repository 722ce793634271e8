"""Plackett-Luce policy: whole rankings are sampled, and better ones become likelier."""

from __future__ import annotations

import torch
from torch import Tensor

from uninote.training.advantages import group_advantages
from uninote.training.policies.protocol import PolicyLoss, RewardFunction
from uninote.training.rl_groups import Group


def sample_permutations(
    cosines: Tensor, temperature: float, samples: int, generator: torch.Generator | None = None
) -> Tensor:
    """Draw rankings from Plackett-Luce with scores cos / τ, by sorting Gumbel-perturbed scores.

    [B, G] float -> [samples, B, G] int64: the column taken at each place. `generator` is on the device
    of the cosines; None is torch's global one.
    """
    logits = cosines.detach().to(torch.promote_types(cosines.dtype, torch.float32)) / temperature
    waits = torch.empty((samples, *logits.shape), dtype=logits.dtype, device=logits.device)
    waits.exponential_(generator=generator)
    gumbel = -waits.clamp(min=torch.finfo(waits.dtype).tiny).log()
    return (logits + gumbel).argsort(dim=-1, descending=True)


def log_prob_terms(cosines: Tensor, permutations: Tensor, temperature: float) -> Tensor:
    """Return the log probability of each place's choice among the notes not yet placed.

    Term t is s_t - log Σ_{u ≥ t} exp s_u with s = cos / τ in the order of the permutation; the terms sum
    to its log probability. [B, G] float, [samples, B, G] int64 -> [samples, B, G], at least float32.
    """
    logits = cosines.to(torch.promote_types(cosines.dtype, torch.float32)) / temperature
    ordered = logits.expand(permutations.shape).gather(-1, permutations)
    return ordered - ordered.flip(-1).logcumsumexp(-1).flip(-1)


def plackett_luce(
    group: Group,
    reward: RewardFunction,
    temperature: float,
    generator: torch.Generator | None = None,
    *,
    samples: int = 16,
    first: int | None = None,
    standardise: bool = True,
) -> PolicyLoss:
    """Return -mean over samples of A(σ) Σ_{t ≤ k} log PL(σ_t); shapes as in `Policy`.

    A(σ) is the mean reward of the sampled ranking σ, standardised over the query's own samples (Eq. 12
    with the samples as the group). With k = G the estimate is the exact policy gradient in expectation.
    A smaller k leaves the tail's choices out: less noise per step where the relevant notes already lead,
    as after stage 1, since the tail then only orders noise; more where they are scattered, since the
    choices that would lift them stand in the tail.

    Args:
        group: as in `Policy`.
        reward: as in `Policy`; called with [samples, B, G].
        temperature: τ, of sampling and of the log probability alike.
        generator: source of the samples.
        samples: sampled rankings per query, at least 2.
        first: k; None means each group's own number of relevant notes.
        standardise: divide A by the deviation of the query's samples. Where the order is right already, the
            deviation is small and of samples that only differ in the noise: divided by it, they weigh as
            much as those of a query with an order to learn (Liu et al. 2025, arXiv 2503.20783).
    """
    permutations = sample_permutations(group.cosines, temperature, samples, generator)
    positions, relevant = (
        values.expand(permutations.shape).gather(-1, permutations)
        for values in (group.positions, group.relevant)
    )
    utilities = reward(positions, relevant).total.mean(-1)
    advantages, skipped = group_advantages(utilities.T, standardise=standardise)
    depth = group.relevant.sum(-1, keepdim=True) if first is None else first
    pushed = torch.arange(permutations.shape[-1], device=permutations.device) < depth
    log_pi = (log_prob_terms(group.cosines, permutations, temperature) * pushed).sum(-1)
    return PolicyLoss(-(advantages.T * log_pi).mean(), reward(group.positions, group.relevant), skipped.sum())
