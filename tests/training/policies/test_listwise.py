"""Listwise loss against numbers worked by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from uninote.training.policies.listwise import listwise
from uninote.training.rewards import ranking_rewards
from uninote.training.rl_groups import Group

COLUMNS = torch.arange(3)[None]


def loss_of(cosines: list[float], positions: list[int], relevant: list[bool]) -> tuple[torch.Tensor, int]:
    scores = torch.tensor([cosines], requires_grad=True)
    group = Group(COLUMNS, scores, torch.tensor([positions]), torch.tensor([relevant]))
    reward = partial(ranking_rewards, n_relevant=torch.tensor([2]))
    found = listwise(group, reward, 0.5)
    found.loss.backward()  # type: ignore[no-untyped-call]
    assert scores.grad is not None
    return found.loss, int(found.skipped)


def test_by_hand() -> None:
    """Compare with grades 4 and 2 of two notes: targets e^2 / (e^2 + 1) and the rest; cosines over 0.5."""
    loss, skipped = loss_of([0.5, 0.25, 0.0], [1, 2, 3], [True, True, False])
    best = math.exp(2) / (math.exp(2) + 1)
    total = math.log(math.exp(1.0) + math.exp(0.5) + 1.0)
    assert float(loss) == pytest.approx(-(best * (1.0 - total) + (1 - best) * (0.5 - total)))
    assert skipped == 0


def test_the_right_order_costs_less() -> None:
    right, _ = loss_of([0.9, 0.5, 0.1], [1, 2, 3], [True, True, False])
    wrong, _ = loss_of([0.9, 0.5, 0.1], [2, 1, 3], [True, True, False])
    noise, _ = loss_of([0.9, 0.5, 0.1], [3, 1, 2], [False, True, True])
    assert right < wrong < noise


def test_a_group_of_noise_is_skipped() -> None:
    loss, skipped = loss_of([0.9, 0.5, 0.1], [3, 3, 3], [False, False, False])
    assert (float(loss), skipped) == (0.0, 1)
