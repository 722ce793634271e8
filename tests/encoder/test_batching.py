from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from uninote.encoder.batching import token_batches


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_every_item_once_and_padded_batches_within_budget(costs: list[int], budget: int) -> None:
    batches = list(token_batches(costs, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(costs)))
    for batch in batches:
        padded = len(batch) * max(costs[i] for i in batch)
        assert padded <= budget or len(batch) == 1


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(1, 120))
def test_longest_first_and_batches_are_full(costs: list[int], budget: int) -> None:
    batches = list(token_batches(costs, budget))
    order = [costs[i] for batch in batches for i in batch]
    assert order == sorted(costs, reverse=True)
    for batch in batches[:-1]:
        assert costs[batch[0]] * (len(batch) + 1) > budget


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_packed_batches_hold_every_item_once_and_are_full(costs: list[int], budget: int) -> None:
    batches = list(token_batches(costs, budget, packed=True))
    assert [costs[i] for batch in batches for i in batch] == sorted(costs, reverse=True)
    for batch, after in pairwise(batches):
        total = sum(costs[i] for i in batch)
        assert total <= budget or len(batch) == 1
        assert total + costs[after[0]] > budget


def test_worked_example() -> None:
    assert list(token_batches([3, 10, 4, 9], 20)) == [[1, 3], [2, 0]]
    assert list(token_batches([3, 10, 4, 9], 20, packed=True)) == [[1, 3], [2, 0]]
    assert list(token_batches([3, 7, 4, 9], 20, packed=True)) == [[3, 1, 2], [0]]
    assert list(token_batches([3, 7, 4, 9], 20)) == [[3, 1], [2, 0]]
    assert list(token_batches([3, 10, 4, 9], None, 3)) == [[1, 3, 2], [0]]
    assert list(token_batches([], 20)) == []
