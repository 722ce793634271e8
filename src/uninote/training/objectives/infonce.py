"""InfoNCE: the one-hot objective, blind to how similar the negatives are."""

from __future__ import annotations

import torch
from torch import Tensor

from uninote.training.objectives.distributions import log_probabilities


def infonce(
    cosines: Tensor, labels: Tensor, mask: Tensor, temperature: float, positive: Tensor | None = None
) -> Tensor:
    """Return -log P(c+ | q), mean over the batch; shapes as in `Objective`.

    Labels are not read. The positive always counts, even if the mask excludes it.
    """
    column = mask.new_zeros(len(mask), dtype=torch.int64) if positive is None else positive
    column = column.unsqueeze(-1)
    log_p = log_probabilities(cosines, temperature, mask.scatter(-1, column, True))
    return -log_p.gather(-1, column).mean()
