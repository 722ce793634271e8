"""Contract of every objective, and each one's value worked by hand (Eq. 8)."""

import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from uninote.settings import SftSettings
from uninote.training.objectives import OBJECTIVES

NAMES = sorted(OBJECTIVES)
SOFT = [name for name in NAMES if name != "infonce"]
SEEDS = st.integers(0, 2**32 - 1)

# P = (3, 1)/4 from cosines (ln 3, 0)/2 at τ = ½, and Q = (1, 1)/2 from equal labels:
#   KL(P‖Q) = ¾ ln(3/2) + ¼ ln(1/2) = 0.1308120        KL(Q‖P) = ½ ln(2/3) + ½ ln 2 = 0.1438410
#   M = (5, 3)/8: KL(P‖M) = ¾ ln(6/5) + ¼ ln(2/3) = 0.0353749,  KL(Q‖M) = ½ ln(4/5) + ½ ln(4/3) = 0.0322693
BY_HAND = {
    "symmetric_kl": 0.1373265,
    "jensen_shannon": 0.0338221,
    "kl": 0.1438410,
    "infonce": math.log(4 / 3),
}


def batch(seed: int, size: int = 3, candidates: int = 5) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw cosines, labels, mask and positives (never masked), in float64."""
    generator = torch.Generator().manual_seed(seed)
    cosines, labels = torch.rand(2, size, candidates, generator=generator, dtype=torch.float64) * 2 - 1
    positive = torch.randint(candidates, (size,), generator=generator)
    mask = torch.rand(size, candidates, generator=generator) < 0.7
    mask[torch.arange(size), positive] = True
    return cosines, labels, mask, positive


def softmax(scores: list[float], mask: list[bool], temperature: float) -> list[float]:
    weights = [
        math.exp(score / temperature) if kept else 0.0 for score, kept in zip(scores, mask, strict=True)
    ]
    return [weight / sum(weights) for weight in weights]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def brute_force(name: str, p: list[float], q: list[float], positive: int) -> float:
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return {
        "symmetric_kl": lambda: (kl(p, q) + kl(q, p)) / 2,
        "jensen_shannon": lambda: (kl(p, middle) + kl(q, middle)) / 2,
        "kl": lambda: kl(q, p),
        "infonce": lambda: -math.log(p[positive]),
    }[name]()


def test_registry_has_the_names_of_the_setting() -> None:
    assert set(OBJECTIVES) == set(get_args(SftSettings.model_fields["objective"].annotation))


@pytest.mark.parametrize("name", NAMES)
def test_value_by_hand(name: str) -> None:
    cosines = torch.tensor([[math.log(3) / 2, 0.0, 9.0]])
    labels = torch.tensor([[0.4, 0.4, 9.0]])
    mask = torch.tensor([[True, True, False]])
    loss = OBJECTIVES[name](cosines, labels, mask, 0.5)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(BY_HAND[name], abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
def test_matches_brute_force(name: str, seed: int) -> None:
    cosines, labels, mask, positive = batch(seed)
    rows = [
        brute_force(name, softmax(c, m, 0.2), softmax(s, m, 0.2), i)
        for c, s, m, i in zip(
            cosines.tolist(), labels.tolist(), mask.tolist(), positive.tolist(), strict=True
        )
    ]
    loss = OBJECTIVES[name](cosines, labels, mask, 0.2, positive)
    assert loss.item() == pytest.approx(sum(rows) / len(rows))


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
def test_order_of_candidates_does_not_matter(name: str, seed: int) -> None:
    cosines, labels, mask, positive = batch(seed)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    permuted = OBJECTIVES[name](
        cosines[:, order], labels[:, order], mask[:, order], 0.02, order.argsort()[positive]
    )
    torch.testing.assert_close(permuted, OBJECTIVES[name](cosines, labels, mask, 0.02, positive))


@pytest.mark.parametrize("name", NAMES)
@given(seed=SEEDS)
def test_masked_columns_do_not_matter(name: str, seed: int) -> None:
    cosines, labels, mask, positive = batch(seed)
    other_cosines, other_labels, _, _ = batch(seed + 1)
    replaced = OBJECTIVES[name](
        cosines.where(mask, other_cosines), labels.where(mask, other_labels), mask, 0.02, positive
    )
    torch.testing.assert_close(replaced, OBJECTIVES[name](cosines, labels, mask, 0.02, positive))


@pytest.mark.parametrize("name", NAMES)
def test_gradient(name: str) -> None:
    cosines, labels, mask, positive = batch(7)
    cosines.requires_grad_()
    assert torch.autograd.gradcheck(lambda c: OBJECTIVES[name](c, labels, mask, 0.2, positive), cosines)
    (gradient,) = torch.autograd.grad(OBJECTIVES[name](cosines, labels, mask, 0.2, positive), cosines)
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).any()


@pytest.mark.parametrize("name", NAMES)
def test_finite_where_model_and_labels_disagree_entirely(name: str) -> None:
    cosines = torch.tensor([[-1.0, 1.0, 0.0]], requires_grad=True)
    labels = torch.tensor([[1.0, -1.0, 0.0]])
    loss = OBJECTIVES[name](cosines, labels, torch.tensor([[True, True, False]]), 0.01)
    (gradient,) = torch.autograd.grad(loss, cosines)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", SOFT)
@given(seed=SEEDS)
def test_zero_only_at_the_labels(name: str, seed: int) -> None:
    cosines, labels, mask, _ = batch(seed)
    mask[:] = True
    assert OBJECTIVES[name](labels, labels, mask, 0.02).item() == pytest.approx(0.0, abs=1e-12)
    assert OBJECTIVES[name](cosines, labels, mask, 0.02).item() > 0.0


@pytest.mark.parametrize("name", SOFT)
def test_labels_get_no_gradient(name: str) -> None:
    cosines, labels, mask, _ = batch(3)
    cosines.requires_grad_()
    labels.requires_grad_()
    OBJECTIVES[name](cosines, labels, mask, 0.02).backward()
    assert labels.grad is None


@given(seed=SEEDS)
def test_symmetric_objectives_are_symmetric(seed: int) -> None:
    cosines, labels, mask, _ = batch(seed)
    for name in ("symmetric_kl", "jensen_shannon"):
        forward = OBJECTIVES[name](cosines, labels, mask, 0.1)
        torch.testing.assert_close(forward, OBJECTIVES[name](labels, cosines, mask, 0.1))


@given(seed=SEEDS)
def test_jensen_shannon_is_bounded_by_ln_2(seed: int) -> None:
    cosines, labels, mask, _ = batch(seed)
    assert OBJECTIVES["jensen_shannon"](cosines, labels, mask, 0.001).item() <= math.log(2) + 1e-12


def test_jensen_shannon_reaches_ln_2() -> None:
    cosines, labels = torch.tensor([[1.0, -1.0]]), torch.tensor([[-1.0, 1.0]])
    loss = OBJECTIVES["jensen_shannon"](cosines, labels, torch.ones(1, 2, dtype=torch.bool), 0.01)
    assert loss.item() == pytest.approx(math.log(2))


def test_infonce_reads_the_positive_and_counts_it_even_when_masked() -> None:
    cosines = torch.tensor([[math.log(3), 0.0]])
    only_first = torch.tensor([[True, False]])
    loss = OBJECTIVES["infonce"](cosines, cosines, only_first, 1.0, torch.tensor([1]))
    assert loss.item() == pytest.approx(math.log(4))
