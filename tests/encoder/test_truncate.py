from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.encoder.truncate import fit_lengths

LENGTHS = st.lists(st.integers(0, 60), max_size=12)


@given(LENGTHS, st.integers(-5, 200))
def test_fits_and_wastes_nothing(lengths: list[int], budget: int) -> None:
    fitted = fit_lengths(lengths, budget)
    assert len(fitted) == len(lengths)
    assert all(0 <= new <= old for new, old in zip(fitted, lengths, strict=True))
    assert sum(fitted) == min(sum(lengths), max(budget, 0))


@given(LENGTHS, st.integers(0, 200))
def test_no_part_is_cut_below_another_that_was_cut_by_more_than_the_remainder(
    lengths: list[int], budget: int
) -> None:
    fitted = fit_lengths(lengths, budget)
    cut = [new for new, old in zip(fitted, lengths, strict=True) if new < old]
    if cut:
        assert max(fitted) - min(cut) <= 1


@pytest.mark.parametrize(
    ("lengths", "budget", "expected"),
    [
        ([5, 100], 50, [5, 45]),
        ([100, 5, 100], 51, [23, 5, 23]),
        ([100, 100], 51, [26, 25]),  # the odd token goes to the earlier part
        ([3, 4], 7, [3, 4]),
        ([3, 4], -1, [0, 0]),
        ([], 10, []),
    ],
)
def test_worked_examples(lengths: list[int], budget: int, expected: list[int]) -> None:
    assert fit_lengths(lengths, budget) == expected
