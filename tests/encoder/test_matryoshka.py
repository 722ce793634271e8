from __future__ import annotations

import numpy as np
import pytest
import torch

from uninote.encoder.matryoshka import check_dim, truncate, truncate_numpy
from uninote.errors import ModelError


def test_worked_example() -> None:
    vectors = torch.tensor([[3.0, 4.0, 12.0], [0.0, 0.0, 1.0]])
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    assert torch.allclose(truncate(vectors, 2), expected)
    assert np.allclose(truncate_numpy(vectors.numpy(), 2), expected.numpy())
    assert truncate_numpy(vectors.numpy(), 2).dtype == np.float32


def test_both_forms_agree() -> None:
    vectors = torch.randn(7, 32, generator=torch.Generator().manual_seed(0))
    for dim in (1, 8, 32):
        assert np.allclose(truncate(vectors, dim).numpy(), truncate_numpy(vectors.numpy(), dim), atol=1e-6)


def test_a_failed_row_stays_nan() -> None:
    assert np.isnan(truncate_numpy(np.full((1, 4), np.nan, np.float32), 2)).all()


def test_check_dim() -> None:
    assert check_dim(None, (64, 384, 128)) == 384
    assert check_dim(128, (64, 384, 128)) == 128
    with pytest.raises(ModelError, match="100 dimensions; choose one of 64, 128, 384"):
        check_dim(100, (64, 384, 128))
