"""Plackett-Luce: its distribution, its gradient against enumeration, and design fact (c)."""

import math
from functools import partial
from itertools import permutations

import pytest
import torch
from torch import Tensor

from uninote.training.policies.plackett_luce import log_prob_terms, plackett_luce, sample_permutations
from uninote.training.rewards import ranking_rewards
from uninote.training.rl_groups import Group

# Weights 3 : 2 : 1.
COSINES = torch.tensor([[math.log(3), math.log(2), 0.0]])
ALL_OF_THREE = torch.tensor(list(permutations(range(3)))).unsqueeze(1)


def group_of(cosines: Tensor, positions: list[int], n_relevant: int) -> Group:
    columns = torch.arange(cosines.shape[-1]).unsqueeze(0)
    return Group(columns, cosines, torch.tensor([positions]), torch.tensor([positions]) <= n_relevant)


def reward_of(n_relevant: int) -> partial:  # type: ignore[type-arg]
    return partial(ranking_rewards, n_relevant=torch.tensor([n_relevant]))


# Places of the two relevant notes among 8: a poor ranking, and one as stage 1 leaves it.
POOR = [3, 1, 4, 5, 2, 6, 7, 8]
GOOD = [1, 2, 3, 4, 5, 6, 7, 8]
LEADING = torch.tensor([[6.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])


def noise_to_signal(gradients: Tensor) -> float:
    """Divide the variance of estimates [repeats, G] by the squared length of their mean."""
    return (gradients.var(0).sum() / gradients.mean(0).square().sum()).item()


def gradients(cosines: Tensor, positions: list[int], repeats: int, first: int | None = None) -> Tensor:
    """Return independent gradient estimates for a group with two relevant notes, [repeats, 8]."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(repeats):
        leaf = cosines.clone().requires_grad_()
        group = group_of(leaf, positions, 2)
        loss = plackett_luce(group, reward_of(2), 1.0, generator, samples=8, first=first).loss
        rows.append(torch.autograd.grad(loss, leaf)[0][0])
    return torch.stack(rows)


def test_log_prob_by_hand() -> None:
    # Order (b, a, c): b of all 2/6, a of {a, c} 3/4, c alone 1.
    terms = log_prob_terms(COSINES, torch.tensor([[[1, 0, 2]]]), 1.0)
    assert terms[0, 0].tolist() == pytest.approx([math.log(1 / 3), math.log(3 / 4), 0.0], abs=1e-6)
    # At τ = ½ the weights are 9 : 4 : 1.
    halved = log_prob_terms(COSINES, torch.tensor([[[1, 0, 2]]]), 0.5)
    assert halved[0, 0].tolist() == pytest.approx([math.log(4 / 14), math.log(9 / 10), 0.0], abs=1e-6)


def test_probabilities_of_all_rankings_sum_to_one() -> None:
    assert log_prob_terms(COSINES, ALL_OF_THREE, 0.7).sum(-1).exp().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_samples_follow_the_distribution_that_scores_them(temperature: float) -> None:
    drawn = sample_permutations(COSINES, temperature, 20_000, torch.Generator().manual_seed(0))
    expected = log_prob_terms(COSINES, ALL_OF_THREE, temperature).sum(-1).exp()
    for ranking, probability in zip(ALL_OF_THREE[:, 0], expected[:, 0].tolist(), strict=True):
        share = (drawn[:, 0] == ranking).all(-1).double().mean().item()
        # Four standard errors of a share of 20,000 draws.
        assert share == pytest.approx(probability, abs=4 * math.sqrt(0.25 / 20_000))


def test_same_seed_same_rankings() -> None:
    first, again, other = (
        sample_permutations(torch.zeros(2, 6), 1.0, 5, torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert first.shape == (5, 2, 6)
    assert first.tolist() == again.tolist() != other.tolist()
    assert first.sort(dim=-1).values.tolist() == [[list(range(6))] * 2] * 5


def test_gradient_of_log_prob() -> None:
    cosines = torch.tensor([[0.6, 0.3, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: log_prob_terms(c, ALL_OF_THREE, 0.5), cosines)


def test_expected_gradient_is_that_of_the_expected_reward() -> None:
    """Compare many samples, k = G, with an enumeration of all rankings, up to the factor 1/std of Eq. 12."""
    cosines = torch.tensor([[0.2, 0.0, 0.5, 0.4]], dtype=torch.float64, requires_grad=True)
    rankings = torch.tensor(list(permutations(range(4)))).unsqueeze(1)
    group = group_of(cosines, [1, 2, 3, 4], 2)
    positions = group.positions.expand(rankings.shape).gather(-1, rankings)
    utilities = ranking_rewards(positions, positions <= 2, torch.tensor([2])).total.mean(-1).double()
    probabilities = log_prob_terms(cosines, rankings, 1.0).sum(-1).exp()
    expected_reward = (probabilities * utilities).sum()
    (exact,) = torch.autograd.grad(expected_reward, cosines, retain_graph=True)
    spread = (probabilities * (utilities - expected_reward).square()).sum().sqrt().detach()

    generator = torch.Generator().manual_seed(0)
    loss = plackett_luce(group, reward_of(2), 1.0, generator, samples=40_000, first=4).loss
    (estimate,) = torch.autograd.grad(loss, cosines)
    torch.testing.assert_close(-estimate * spread, exact, rtol=0, atol=0.05 * exact.abs().max().item())


def test_default_depth_is_the_number_of_relevant_notes() -> None:
    cosines = torch.linspace(0.5, 0.0, 8).unsqueeze(0)
    torch.testing.assert_close(gradients(cosines, POOR, 3), gradients(cosines, POOR, 3, first=2))
    assert not torch.allclose(gradients(cosines, POOR, 3), gradients(cosines, POOR, 3, first=8))


def test_fact_c_first_terms_are_quieter_once_relevant_notes_lead() -> None:
    """Check design fact (c) where stage 2 starts: choices among mere noise add variance and no signal."""
    short, whole = (noise_to_signal(gradients(LEADING, GOOD, 200, first)) for first in (2, 8))
    assert short < 0.8 * whole


def test_fact_c_fails_on_a_poor_ranking() -> None:
    """Spread the relevant notes: the tail then carries signal that the first terms miss."""
    scattered = torch.zeros(1, 8)
    short, whole = (gradients(scattered, POOR, 200, first) for first in (2, 8))
    assert short.var(0).sum() < whole.var(0).sum()
    assert noise_to_signal(short) > noise_to_signal(whole)


def test_fact_c_the_baseline_removes_variance() -> None:
    """Check design fact (c) against the same estimate with raw rewards."""
    cosines = torch.zeros(1, 8)
    with_baseline = gradients(cosines, POOR, 200)
    generator = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(200):
        leaf = cosines.clone().requires_grad_()
        group = group_of(leaf, POOR, 2)
        drawn = sample_permutations(leaf, 1.0, 8, generator)
        positions = group.positions.expand(drawn.shape).gather(-1, drawn)
        raw = reward_of(2)(positions, positions <= 2).total.mean(-1)
        log_pi = log_prob_terms(leaf, drawn, 1.0)[..., :2].sum(-1)
        rows.append(torch.autograd.grad(-(raw * log_pi).mean(), leaf)[0][0])
    assert noise_to_signal(with_baseline) < 0.9 * noise_to_signal(torch.stack(rows))


def test_fact_c_learns_graded_relevance() -> None:
    """Check design fact (c): from the reverse order, the whole order is learnt, not the top note alone."""
    cosines = torch.tensor([[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]], requires_grad=True)
    optimizer = torch.optim.SGD([cosines], lr=0.3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        optimizer.zero_grad()
        plackett_luce(group_of(cosines, [1, 2, 3, 4, 5, 6], 4), reward_of(4), 1.0, generator).loss.backward()
        optimizer.step()
    order = cosines.detach()[0].argsort(descending=True).tolist()
    assert order[:4] == [0, 1, 2, 3]


def test_rewards_reported_are_those_of_the_predicted_ranking() -> None:
    group = group_of(torch.tensor([[0.9, 0.5, 0.1]]), [3, 1, 2], 2)
    outcome = plackett_luce(group, reward_of(2), 0.5, torch.Generator().manual_seed(0))
    assert outcome.rewards.total.tolist() == reward_of(2)(group.positions, group.relevant).total.tolist()
