from __future__ import annotations

import numpy as np
import pytest

from uninote.evaluation.bootstrap import interval_of_mean, intervals, paired_difference


def test_intervals_cover_the_true_mean_at_their_level() -> None:
    generator = np.random.default_rng(0)
    draws = generator.random((300, 120)) < 0.4
    covered = 0
    for draw in draws:
        low, high = intervals(draw.astype(float)[:, None], 300, 1)[0]
        covered += low <= 0.4 <= high
    assert 0.90 <= covered / 300 <= 0.985


def test_same_seed_same_interval_and_other_seed_another() -> None:
    values = np.random.default_rng(1).random((50, 3))
    np.testing.assert_array_equal(intervals(values, 200, 7), intervals(values, 200, 7))
    assert not np.array_equal(intervals(values, 200, 7), intervals(values, 200, 8))


def test_narrows_with_more_queries_and_close_to_the_normal_width() -> None:
    generator = np.random.default_rng(2)
    few, many = (generator.standard_normal((n, 1)) for n in (100, 2500))
    width = [float(np.diff(intervals(values, 1000, 0)[0])[0]) for values in (few, many)]
    assert width[0] == pytest.approx(2 * 1.96 / 10, rel=0.2)
    assert width[1] == pytest.approx(width[0] / 5, rel=0.2)


def test_pairing_detects_a_small_change_that_two_intervals_do_not() -> None:
    before = np.random.default_rng(3).random(400)
    after = before + 0.01
    difference, (low, high) = paired_difference(before, after, 500, 0)
    assert difference == pytest.approx(0.01)
    assert low > 0
    assert high < 0.011
    apart = [intervals(values[:, None], 500, 0)[0] for values in (before, after)]
    assert apart[0][1] > apart[1][0]


def test_the_mean_of_one_group_has_its_own_interval() -> None:
    values = np.random.default_rng(4).random(80)
    np.testing.assert_array_equal(interval_of_mean([values], 300, 5), intervals(values[:, None], 300, 5)[0])


def test_every_group_counts_equally_and_adds_its_own_variance() -> None:
    generator = np.random.default_rng(6)
    small, large, constant = generator.standard_normal(100), generator.standard_normal(2500), np.ones(7)
    low, high = interval_of_mean([small, large, constant], 2000, 0)
    error = 1.96 * np.sqrt(small.var() / 100 + large.var() / 2500) / 3
    middle = (small.mean() + large.mean() + 1) / 3
    assert (low, high) == pytest.approx((middle - error, middle + error), abs=0.2 * error)


def test_unpaired_values_are_refused() -> None:
    with pytest.raises(ValueError, match="must match"):
        paired_difference(np.zeros(3), np.zeros(4), 10, 0)
