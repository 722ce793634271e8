"""Eq. 12 by hand, its invariances, and groups without variance."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uninote.training.advantages import group_advantages

GROUPS = st.lists(st.integers(-50, 50), min_size=2, max_size=8)


def test_by_hand() -> None:
    # (0, 0, 6): mean 2, std √((4 + 4 + 16)/3) = √8.
    advantages = group_advantages(torch.tensor([[0.0, 0.0, 6.0]]))
    expected = [-2 / math.sqrt(8), -2 / math.sqrt(8), 4 / math.sqrt(8)]
    assert advantages.values[0].tolist() == pytest.approx(expected, rel=1e-5)
    assert advantages.skipped.tolist() == [False]


def test_centred_advantages_keep_their_size() -> None:
    advantages = group_advantages(torch.tensor([[0.0, 0.0, 6.0]]), standardise=False)
    assert advantages.values[0].tolist() == [-2.0, -2.0, 4.0]


def test_groups_without_variance_are_skipped_exactly() -> None:
    # The first group differs by a rounding error only; divided by its own size that would be loud.
    rewards = torch.tensor([[0.1, 0.1, 0.1 + 5e-7], [0.0, 1.0, 2.0]], dtype=torch.float64)
    advantages = group_advantages(rewards)
    assert advantages.skipped.tolist() == [True, False]
    assert advantages.values[0].tolist() == [0.0, 0.0, 0.0]


@given(rewards=GROUPS)
def test_matches_the_formula(rewards: list[int]) -> None:
    advantages = group_advantages(torch.tensor([rewards], dtype=torch.float64))
    spread = statistics.pstdev(rewards)
    expected = [(r - statistics.fmean(rewards)) / (spread + 1e-6) if spread else 0.0 for r in rewards]
    assert advantages.values[0].tolist() == pytest.approx(expected, abs=1e-9)
    assert advantages.skipped.item() == (len(set(rewards)) == 1)
    assert advantages.values.sum().item() == pytest.approx(0.0, abs=1e-9)


@given(rewards=GROUPS.filter(lambda group: len(set(group)) > 1), shift=st.integers(-9, 9))
def test_shift_and_scale_do_not_matter(rewards: list[int], shift: int) -> None:
    group = torch.tensor([rewards], dtype=torch.float64)
    moved = group_advantages(3 * group + shift).values
    torch.testing.assert_close(moved, group_advantages(group).values, rtol=1e-5, atol=1e-5)


def test_half_precision_is_raised() -> None:
    assert group_advantages(torch.tensor([[1.0, 2.0]]).bfloat16()).values.dtype == torch.float32
