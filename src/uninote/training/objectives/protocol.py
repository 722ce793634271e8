"""Objective protocol: the call signature of every stage 1 objective."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Objective(Protocol):
    """Loss over one candidate set per query, minimised over the model's cosines."""

    def __call__(
        self,
        cosines: Tensor,
        labels: Tensor,
        mask: Tensor,
        temperature: float,
        positive: Tensor | None = None,
    ) -> Tensor:
        """Return the mean loss of a batch.

        Args:
            cosines: cos(e_q, e_c), [B, K] float. K is the query's own candidates or all of the batch.
            labels: reference scores s(q, c), [B, K] float, constants: no gradient reaches them.
            mask: [B, K] bool, True where the candidate counts for the query; the rest gets probability 0.
            temperature: τ > 0, the same for labels and model.
            positive: column of each query's positive, [B] int64; None means column 0. Only one-hot
                objectives read it: soft ones learn the positive from its label.

        Returns:
            Scalar, float32 or float64 (never lower than float32); a query whose mask is all False adds 0.
        """
        ...
