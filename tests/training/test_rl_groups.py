"""The top G of a query's candidates, and what travels with them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from uninote.training.rl_groups import top_group


def test_by_hand() -> None:
    cosines = torch.tensor([[0.2, 0.9, 0.5, 0.7]], requires_grad=True)
    group = top_group(cosines, torch.tensor([[1, 2, 3, 4]]), torch.tensor([[True, True, False, False]]), 3)
    assert group.columns.tolist() == [[1, 3, 2]]
    assert group.positions.tolist() == [[2, 4, 3]]
    assert group.relevant.tolist() == [[True, False, False]]
    torch.testing.assert_close(group.cosines, torch.tensor([[0.9, 0.7, 0.5]]))
    group.cosines.sum().backward()
    assert cosines.grad is not None
    assert cosines.grad.tolist() == [[0.0, 1.0, 1.0, 1.0]]


def test_ties_go_to_the_worse_note() -> None:
    group = top_group(torch.full((1, 4), 0.5), torch.tensor([[1, 2, 3, 4]]), torch.ones(1, 4).bool(), 3)
    assert group.positions.tolist() == [[4, 3, 2]]


def test_padded_candidates_never_enter() -> None:
    cosines = torch.tensor([[0.1, 0.9, -0.8], [0.1, 0.9, -0.8]])
    mask = torch.tensor([[True, False, True], [True, True, False]])
    group = top_group(cosines, torch.tensor([[1, 2, 3]] * 2), torch.ones(2, 3).bool(), 2, mask)
    assert group.columns.tolist() == [[0, 2], [1, 0]]


@pytest.mark.parametrize("size", [0, 3, 4])
def test_a_group_needs_enough_candidates(size: int) -> None:
    mask = torch.tensor([[True, True, True], [True, True, False]])
    with pytest.raises(ValueError, match=f"group of {size} .* a query has 2"):
        top_group(torch.zeros(2, 3), torch.ones(2, 3).long(), torch.ones(2, 3).bool(), size, mask)


@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 6))
def test_matches_brute_force(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # One decimal, so that ties are common.
    cosines = torch.randint(-3, 4, (2, 6), generator=generator) / 10
    positions = torch.stack([torch.randperm(6, generator=generator) + 1 for _ in range(2)])
    relevant = torch.rand(2, 6, generator=generator) < 0.5
    group = top_group(cosines, positions, relevant, size)
    for row in range(2):
        order = sorted(range(6), key=lambda n: (-cosines[row, n].item(), -positions[row, n].item()))[:size]
        assert group.columns[row].tolist() == order
        assert group.positions[row].tolist() == [positions[row, n].item() for n in order]
        assert group.relevant[row].tolist() == [relevant[row, n].item() for n in order]
