"""Matryoshka supervision (Eq. 14): the objective on every trained prefix of the embedding."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from uninote.errors import ConfigError
from uninote.training.objectives.protocol import Objective


def prefix_cosines(queries: Tensor, candidates: Tensor, dim: int) -> Tensor:
    """Return cosines of the first `dim` dimensions, re-normalised: [B, D], [C, D] -> [B, C].

    At least float32, under autocast too: at τ = 0.02 the three digits of bfloat16 are lost in the labels.
    """
    with torch.autocast(queries.device.type, enabled=False):
        precision = torch.promote_types(queries.dtype, torch.float32)
        left, right = (normalize(rows[:, :dim].to(precision), dim=-1) for rows in (queries, candidates))
        return left @ right.T


def matryoshka_loss(
    objective: Objective,
    queries: Tensor,
    candidates: Tensor,
    labels: Tensor,
    mask: Tensor,
    *,
    dims: Sequence[int],
    temperature: float,
    index: Tensor | None = None,
    positive: Tensor | None = None,
) -> Tensor:
    """Return Σ over k in `dims` of the objective on the first k dimensions (Eq. 14).

    Args:
        objective: the D of Eq. 8 or another; it gets [B, K] cosines, one call per prefix.
        queries: e_q, [B, D] float, of any length.
        candidates: e_c, [C, D] float, all the candidates of the batch, each encoded once.
        labels: reference scores, [B, K] float.
        mask: [B, K] bool, True where the candidate counts.
        dims: the trained prefixes K, each at most D.
        temperature: τ > 0.
        index: row of `candidates` for each column, [B, K] int64 (any valid row where the mask is False);
            None means dense: every query against every candidate, K = C.
        positive: column of the positive, [B] int64; None means column 0.

    Returns:
        Scalar. Raises ConfigError when `dims` is empty or has a prefix outside 1..D.
    """
    width = queries.shape[-1]
    if not dims or not all(0 < dim <= width for dim in dims):
        raise ConfigError(f"Matryoshka dims {tuple(dims)} must be within 1..{width}, the embedding's width")
    losses = []
    for dim in dims:
        cosines = prefix_cosines(queries, candidates, dim)
        if index is not None:
            cosines = cosines.gather(-1, index)
        losses.append(objective(cosines, labels, mask, temperature, positive))
    return torch.stack(losses).sum()
