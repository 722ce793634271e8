"""Matryoshka prefixes: truncate, then re-normalise (P^(k) of Eq. 14)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from uninote.errors import ModelError


def truncate(vectors: torch.Tensor, dim: int) -> torch.Tensor:
    """Cut rows to `dim` columns of unit length: float [n, d] -> float [n, dim]; a zero row stays zero."""
    return torch.nn.functional.normalize(vectors[..., :dim], dim=-1)


def truncate_numpy(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """Cut arrays of float32 [n, d] as `truncate` does."""
    head = vectors[..., :dim]
    norms: NDArray[np.float32] = np.linalg.norm(head, axis=-1, keepdims=True)
    return np.asarray(head / np.maximum(norms, 1e-12), dtype=np.float32)


def check_dim(dim: int | None, trained: Sequence[int]) -> int:
    """Return the dimension asked for, or the widest. Raises ModelError that lists the trained ones."""
    if dim is None:
        return max(trained)
    if dim not in trained:
        listed = ", ".join(map(str, sorted(trained)))
        raise ModelError(f"the model was not trained at {dim} dimensions; choose one of {listed}")
    return dim
