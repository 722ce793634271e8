"""Scores of stored vectors: cosines by the lengths as stored."""

from __future__ import annotations

import numpy as np
import pytest

from uninote.service.domain.base.vectors import exact_scores, float16_units


@pytest.mark.parametrize("dim", [1, 2, 3, 64, 384, 1024, 2048, 4000])
def test_equal_vectors_score_one(dim: int) -> None:
    vectors = np.random.default_rng(dim).normal(size=(500, dim))
    vectors[:100] = np.abs(vectors[:100])
    vectors[0] = 1
    stored = float16_units(vectors, dim)
    assert (exact_scores(stored, stored) == 1).all()
    assert (exact_scores(stored, -stored) == -1).all()
    assert exact_scores(stored[3:4], stored[3])[0] == 1


def test_a_score_is_the_cosine_of_what_is_stored() -> None:
    # By hand: (3 * 4 + 4 * 3) / (5 * 5), although neither vector has length 1.
    assert exact_scores(np.array([[3.0, 4.0]]), np.array([4.0, 3.0])).tolist() == [0.96]
