"""Eq. 6 and 7: masked log-softmax that never turns into NaN."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uninote.training.objectives.distributions import kl_divergence, log_probabilities


def test_temperature_and_values_by_hand() -> None:
    # τ = 0.5 doubles the scores: softmax(ln 3, 0) = (3, 1) / 4.
    log_p = log_probabilities(torch.tensor([[math.log(3) / 2, 0.0]]), 0.5)
    torch.testing.assert_close(log_p.exp(), torch.tensor([[0.75, 0.25]]))


def test_masked_entries_have_probability_exactly_zero() -> None:
    scores = torch.tensor([[0.9, 0.1, 0.9]], requires_grad=True)
    probability = log_probabilities(scores, 0.02, torch.tensor([[True, True, False]])).exp()
    assert probability[0, 2].item() == 0.0
    assert probability.sum().item() == pytest.approx(1.0)
    (gradient,) = torch.autograd.grad(probability[0, 0], scores)
    assert gradient[0, 2].item() == 0.0


def test_row_without_candidates_has_no_mass_and_no_gradient() -> None:
    scores = torch.tensor([[0.3, 0.1]], requires_grad=True)
    log_p = log_probabilities(scores, 0.02, torch.zeros(1, 2, dtype=torch.bool))
    assert log_p.exp().tolist() == [[0.0, 0.0]]
    divergence = kl_divergence(log_p, log_p.detach()).sum()
    assert divergence.item() == 0.0
    (gradient,) = torch.autograd.grad(divergence, scores)
    assert gradient.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [(torch.bfloat16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_never_below_float32(given_dtype: torch.dtype, expected: torch.dtype) -> None:
    assert log_probabilities(torch.zeros(1, 3, dtype=given_dtype), 0.02).dtype == expected


def test_extreme_scores_stay_finite() -> None:
    # The widest range of cosines at a temperature below any in use.
    log_p = log_probabilities(torch.tensor([[1.0, -1.0, 0.0]]), 0.001)
    assert torch.isfinite(log_p).all()
    assert log_p[0, 1].item() == pytest.approx(-2000.0)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 7))
def test_matches_a_plain_softmax(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(1, size, generator=generator, dtype=torch.float64)
    mask = torch.rand(1, size, generator=generator) < 0.7
    actual = log_probabilities(scores, 0.1, mask).exp()[0].tolist()
    weights = [
        math.exp(score / 0.1) if kept else 0.0
        for score, kept in zip(scores[0].tolist(), mask[0].tolist(), strict=True)
    ]
    assert actual == pytest.approx([weight / (sum(weights) or 1.0) for weight in weights])


def test_kl_by_hand() -> None:
    # KL((3, 1)/4 ‖ (1, 1)/2) = ¾ ln(3/2) + ¼ ln(1/2) = 0.130812
    p, q = torch.tensor([0.75, 0.25]).log(), torch.tensor([0.5, 0.5]).log()
    assert kl_divergence(p, q).item() == pytest.approx(0.130812, abs=1e-6)
    assert kl_divergence(p, p).item() == 0.0
