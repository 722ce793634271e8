"""The softmax policies (Eq. 13) and the KL anchor: by hand, and their known facts."""

import math
from functools import partial
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from uninote.settings import RlSettings
from uninote.training.advantages import group_advantages
from uninote.training.policies import POLICIES, RewardFunction, group_kl, policy_of
from uninote.training.policies.softmax import softmax
from uninote.training.policies.weighted_softmax import weighted_softmax
from uninote.training.rewards import Rewards, ranking_rewards
from uninote.training.rl_groups import Group

SEEDS = st.integers(0, 2**32 - 1)


def group_of(cosines: Tensor, positions: list[list[int]], relevant: list[list[bool]]) -> Group:
    columns = torch.arange(cosines.shape[-1]).expand(cosines.shape)
    return Group(columns, cosines, torch.tensor(positions), torch.tensor(relevant))


def fixed_reward(values: Tensor) -> RewardFunction:
    """Return a reward function with the same rewards for every ranking, in float64."""
    return lambda positions, relevant: Rewards(values, *(torch.zeros_like(values) for _ in range(4)))


def gradient(policy: object, cosines: Tensor, rewards: Tensor, temperature: float) -> Tensor:
    leaf = cosines.clone().requires_grad_()
    group = group_of(leaf, [[1] * leaf.shape[-1]] * len(leaf), [[True] * leaf.shape[-1]] * len(leaf))
    loss = policy(group, fixed_reward(rewards), temperature).loss  # type: ignore[operator]
    return torch.autograd.grad(loss, leaf)[0]


def test_registry_has_the_names_of_the_setting() -> None:
    assert set(POLICIES) == set(get_args(RlSettings.model_fields["policy"].annotation))


# One relevant note above one noise note: r = (3 + 1, 0), so A = (1, -1). Cosines (ln 3, 0)/2 at τ = ½:
# π = (3, 1)/4.
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # -½ (ln ¾ - ln ¼)
        ("softmax", -0.5 * math.log(3)),
        # -(¾ ln ¾ - ¼ ln ¼)
        ("weighted_softmax", -(0.75 * math.log(0.75) - 0.25 * math.log(0.25))),
    ],
)
def test_loss_by_hand(name: str, expected: float) -> None:
    group = group_of(torch.tensor([[math.log(3) / 2, 0.0]]), [[1, 2]], [[True, False]])
    outcome = POLICIES[name](group, partial(ranking_rewards, n_relevant=torch.tensor([1])), 0.5)
    assert outcome.loss.shape == ()
    assert outcome.loss.item() == pytest.approx(expected, rel=1e-5)
    assert outcome.rewards.total.tolist() == [[4.0, 0.0]]
    assert outcome.skipped.item() == 0


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_groups_without_variance_are_counted_and_silent(name: str) -> None:
    cosines = torch.tensor([[0.9, 0.5, 0.1], [0.8, 0.5, 0.2]], requires_grad=True)
    # All noise: every ranking earns nothing. The second query has something to learn.
    group = group_of(cosines, [[3, 2, 1], [3, 2, 1]], [[False] * 3, [False, True, True]])
    reward = partial(ranking_rewards, n_relevant=torch.tensor([0, 2]))
    outcome = POLICIES[name](group, reward, 0.5, torch.Generator().manual_seed(0))
    assert outcome.skipped.item() == 1
    (pushed,) = torch.autograd.grad(outcome.loss, cosines)
    assert pushed[0].tolist() == [0.0, 0.0, 0.0]
    assert (pushed[1] != 0).any()


@pytest.mark.parametrize("name", ["softmax", "weighted_softmax"])
@given(seed=SEEDS)
def test_matches_brute_force(name: str, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cosines = torch.rand(2, 4, generator=generator, dtype=torch.float64)
    rewards = torch.rand(2, 4, generator=generator, dtype=torch.float64)
    total = 0.0
    for row in range(2):
        weights = [math.exp(c / 0.1) for c in cosines[row].tolist()]
        pi = [weight / sum(weights) for weight in weights]
        for p, a in zip(pi, group_advantages(rewards[row]).values.tolist(), strict=True):
            total -= (p if name == "weighted_softmax" else 1 / 4) * a * math.log(p)
    loss = POLICIES[name](group_of(cosines, [[1] * 4] * 2, [[True] * 4] * 2), fixed_reward(rewards), 0.1).loss
    assert loss.item() == pytest.approx(total / 2)


@pytest.mark.parametrize("name", ["softmax", "weighted_softmax"])
@given(seed=SEEDS)
def test_a_step_lifts_relevant_notes_above_noise(name: str, seed: int) -> None:
    """Check the sign of Eq. 13: a step down the loss makes notes of higher reward likelier."""
    generator = torch.Generator().manual_seed(seed)
    cosines = torch.rand(1, 4, generator=generator, dtype=torch.float64).sort(descending=True).values
    cosines.requires_grad_()
    group = group_of(cosines, [[4, 2, 3, 1]], [[False, True, False, True]])
    loss = POLICIES[name](group, partial(ranking_rewards, n_relevant=torch.tensor([2])), 0.5).loss
    step = -torch.autograd.grad(loss, cosines)[0][0]
    assert step[1] + step[3] > step[0] + step[2]


@given(seed=SEEDS, size=st.integers(2, 8), temperature=st.sampled_from([0.02, 0.1, 1.0]))
def test_fact_a_softmax_pushes_by_the_advantage_whatever_the_scores(
    seed: int, size: int, temperature: float
) -> None:
    """Check design fact (a): the gradient is -A / (K τ), so it never fades (here over a batch of 1)."""
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.rand(1, size, generator=generator, dtype=torch.float64)
    expected = -group_advantages(rewards).values / (size * temperature)
    for spread in (0.0, 1.0, 20.0):
        cosines = spread * torch.randn(1, size, generator=generator, dtype=torch.float64)
        torch.testing.assert_close(gradient(softmax, cosines, rewards, temperature), expected)


@given(seed=SEEDS)
def test_weighted_softmax_gradient_has_its_closed_form(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    rewards = torch.rand(1, 5, generator=generator, dtype=torch.float64)
    cosines = torch.rand(1, 5, generator=generator, dtype=torch.float64)
    advantages, pi = group_advantages(rewards).values, (cosines / 0.2).softmax(-1)
    expected = -pi * (advantages - (pi * advantages).sum()) / 0.2
    torch.testing.assert_close(gradient(weighted_softmax, cosines, rewards, 0.2), expected)


def test_fact_b_weighted_softmax_fades_but_bets_on_the_top_note() -> None:
    """Check design fact (b): all mass goes to the best note, the order of the rest is never learnt."""
    # Graded rewards 5 > 4 > 3 > 0, from scores in the opposite order.
    rewards = torch.tensor([[5.0, 4.0, 3.0, 0.0]], dtype=torch.float64)
    cosines = torch.tensor([[0.0, 0.1, 0.2, 0.3]], dtype=torch.float64)
    start = gradient(weighted_softmax, cosines, rewards, 1.0).norm()
    for _ in range(3000):
        cosines = cosines - 0.5 * gradient(weighted_softmax, cosines, rewards, 1.0)
    assert cosines.softmax(-1)[0, 0] > 0.95
    assert gradient(weighted_softmax, cosines, rewards, 1.0).norm() < 0.05 * start
    # Softmax with E over the list is as loud there as anywhere.
    torch.testing.assert_close(
        gradient(softmax, cosines, rewards, 1.0), gradient(softmax, torch.zeros_like(cosines), rewards, 1.0)
    )


@pytest.mark.parametrize("name", ["softmax", "weighted_softmax"])
def test_gradient_of_cosines(name: str) -> None:
    cosines = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.2, 0.0]], dtype=torch.float64, requires_grad=True)
    positions, relevant = [[2, 3, 1], [1, 3, 2]], [[True, False, True], [True, False, True]]
    reward = partial(ranking_rewards, n_relevant=torch.tensor([2, 2]))
    if name == "weighted_softmax":  # its weights are detached on purpose: their change is no gradient
        weights = (cosines.detach() / 0.5).softmax(-1)
        advantages = group_advantages(reward(torch.tensor(positions), torch.tensor(relevant)).total).values
        surrogate = -(weights * advantages * (cosines / 0.5).log_softmax(-1)).sum(-1).mean()
        loss = weighted_softmax(group_of(cosines, positions, relevant), reward, 0.5).loss
        torch.testing.assert_close(*(torch.autograd.grad(x, cosines)[0] for x in (loss, surrogate)))
    else:
        assert torch.autograd.gradcheck(
            lambda c: softmax(group_of(c, positions, relevant), reward, 0.5).loss, cosines
        )


def test_kl_by_hand() -> None:
    # π = (3, 1)/4 against an even reference: ¾ ln(3/2) + ¼ ln(1/2) = 0.130812; the second query is unmoved.
    cosines = torch.tensor([[math.log(3) / 2, 0.0], [0.7, 0.1]])
    reference = torch.tensor([[0.2, 0.2], [0.7, 0.1]])
    assert group_kl(cosines, reference, 0.5).item() == pytest.approx(0.130812 / 2, abs=1e-6)


def test_kl_gradient_vanishes_at_the_reference_and_spares_it() -> None:
    cosines = torch.tensor([[0.5, 0.3, 0.1]], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([[0.5, 0.3, 0.1]], dtype=torch.float64, requires_grad=True)
    group_kl(cosines, reference, 0.1).backward()
    assert cosines.grad is not None
    torch.testing.assert_close(cosines.grad, torch.zeros_like(cosines.grad), rtol=0, atol=1e-12)
    assert reference.grad is None
    moved = torch.tensor([[0.1, 0.3, 0.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: group_kl(c, reference.detach(), 0.1), moved)


def test_settings_reach_the_policy() -> None:
    torch.manual_seed(0)
    group = group_of(torch.randn(1, 4), [[1, 2, 3, 4]], [[True, True, False, False]])
    calls: list[int] = []

    def reward(positions: Tensor, relevant: Tensor) -> Rewards:
        calls.append(len(positions))
        return ranking_rewards(positions, relevant, torch.tensor([2]))

    losses = {}
    for advantage in ("standard", "centred"):
        settings = RlSettings(policy="plackett_luce", samples=32, advantage=advantage)
        generator = torch.Generator().manual_seed(0)
        losses[advantage] = float(policy_of(settings)(group, reward, 0.5, generator).loss)
    assert calls.count(32) == 2
    assert losses["standard"] != losses["centred"]
    assert policy_of(RlSettings(policy="softmax")) is softmax
