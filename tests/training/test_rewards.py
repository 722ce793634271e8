"""Eq. 9-11 by hand, and against a plain reading of the formulas with loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uninote.evaluation.metrics import ndcg_at
from uninote.training.rewards import ndcg_rewards, ranking_rewards

# G = 4, |L_rel| = 3, C_pen = -5, R_base = 3 · 3 = 9; predicted: relevant 2, noise, relevant 1, relevant 3.
POSITIONS = torch.tensor([[2, 5, 1, 3]])
RELEVANT = torch.tensor([[True, False, True, True]])
COUNT = torch.tensor([3])
# Eq. 9: 1 - |1-2|/4, 1 - |3-1|/4, 1 - |4-3|/4.
ABSOLUTE = [0.75, 0.0, 0.5, 0.75]
# Eq. 10: place 1 (v 2) is right about place 4 only; place 3 (v 1) too; place 4 (v 3) is right about both.
RELATIVE = [0.5, 0.0, 0.5, 1.0]
# Eq. 11: the noise at place 2 stands above two relevant notes: -5 · (1 + (4 - 2)/4).
PENALTY = [0.0, -7.5, 0.0, 0.0]
BASE = [9.0, 0.0, 9.0, 9.0]
TOTAL = [10.25, -7.5, 10.0, 10.75]


def brute_force(v: list[int], relevant: list[bool], n_relevant: int) -> list[float]:
    size = len(v)
    found = [j for j in range(1, size + 1) if relevant[j - 1]]
    rewards = []
    for i in range(1, size + 1):
        if not relevant[i - 1]:
            above = any(j > i for j in found)
            rewards.append(-5.0 * (1 + (size - i) / size) if above else 0.0)
            continue
        others = [j for j in found if j != i]
        right = [j for j in others if (i - j) * (v[i - 1] - v[j - 1]) > 0]
        relative = len(right) / len(others) if others else 0.0
        rewards.append(3.0 * n_relevant + 1 - abs(i - v[i - 1]) / size + relative)
    return rewards


def test_by_hand() -> None:
    rewards = ranking_rewards(POSITIONS, RELEVANT, COUNT)
    assert rewards.total.tolist() == [TOTAL]
    assert rewards.penalty.tolist() == [PENALTY]
    assert rewards.base.tolist() == [BASE]
    assert rewards.absolute.tolist() == [ABSOLUTE]
    assert rewards.relative.tolist() == [RELATIVE]
    assert rewards.total.dtype == torch.float32


@pytest.mark.parametrize(
    ("switch", "part"),
    [
        ({"penalty": 0.0}, PENALTY),
        ({"base_factor": 0.0}, BASE),
        ({"absolute": False}, ABSOLUTE),
        ({"relative": False}, RELATIVE),
    ],
)
def test_each_part_can_be_switched_off(switch: dict[str, float], part: list[float]) -> None:
    rewards = ranking_rewards(POSITIONS, RELEVANT, COUNT, **switch)
    expected = [total - removed for total, removed in zip(TOTAL, part, strict=True)]
    assert rewards.total[0].tolist() == pytest.approx(expected)


def test_noise_below_every_relevant_note_is_free() -> None:
    rewards = ranking_rewards(
        torch.tensor([[1, 2, 3, 4]]), torch.tensor([[True, True, False, False]]), torch.tensor([2])
    )
    # Perfect: R_base 6 + R_abs 1 + R_rel 1 for both, nothing for noise.
    assert rewards.total.tolist() == [[8.0, 8.0, 0.0, 0.0]]


def test_base_counts_relevant_notes_outside_the_group() -> None:
    rewards = ranking_rewards(torch.tensor([[1, 9]]), torch.tensor([[True, False]]), torch.tensor([4]))
    # R_base 3 · 4, R_abs 1, and no other relevant note to be ordered against.
    assert rewards.total.tolist() == [[13.0, 0.0]]


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 8), queries=st.integers(1, 3))
def test_matches_brute_force(seed: int, size: int, queries: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.stack([torch.randperm(size, generator=generator) + 1 for _ in range(queries)])
    n_relevant = torch.randint(0, size + 1, (queries,), generator=generator)
    relevant = positions <= n_relevant.unsqueeze(-1)
    rewards = ranking_rewards(positions, relevant, n_relevant)
    for row in range(queries):
        expected = brute_force(positions[row].tolist(), relevant[row].tolist(), int(n_relevant[row]))
        assert rewards.total[row].tolist() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(torch.stack(rewards[1:]).sum(0), rewards.total)


@given(seed=st.integers(0, 2**32 - 1))
def test_leading_dimensions_are_free_and_noise_positions_are_not_read(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.stack([torch.randperm(5, generator=generator) + 1 for _ in range(6)])
    relevant, n_relevant = positions <= 3, torch.tensor([3, 3])
    expected = ranking_rewards(positions, relevant, torch.full((6,), 3)).total
    elsewhere = positions.where(relevant, positions + 90).view(3, 2, 5)
    stacked = ranking_rewards(elsewhere, relevant.view(3, 2, 5), n_relevant).total
    torch.testing.assert_close(stacked.view(6, 5), expected)


def test_ndcg_by_hand_and_against_the_evaluation() -> None:
    rewards = ndcg_rewards(POSITIONS, RELEVANT, COUNT)
    # Grades 2, 0, 3, 1 at the places 1 to 4; best possible 3, 2, 1.
    gains = np.array([[2.0, 0.0, 3.0, 1.0]])
    expected = (2 / 1 + 3 / 2 + 1 / np.log2(5)) / (3 / 1 + 2 / np.log2(3) + 1 / 2)
    assert rewards.total.mean().item() == pytest.approx(expected, abs=1e-6)
    assert expected == pytest.approx(ndcg_at(gains, np.array([[3.0, 2.0, 1.0, 0.0]]), 4)[0])
    best = ndcg_rewards(torch.tensor([[1, 2, 3, 4]]), torch.tensor([[True, True, True, False]]), COUNT)
    assert best.total.mean().item() == pytest.approx(1)
