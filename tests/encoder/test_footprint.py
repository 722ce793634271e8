"""Memory of a step: the formula by hand, and the choice of the cheapest way that fits."""

from __future__ import annotations

import pytest

from uninote.encoder.footprint import SHARE, TRAINED, Footprint, plan_memory

PRINT = Footprint(
    frozen=1000,
    trained=10,
    token=50,
    inputs=8,
    layer=20,
    features=4,
    tower=30,
    tower_inputs=3,
    seeing=5,
    seen=6,
)
FIXED = 1000 + 10 * TRAINED


@pytest.mark.parametrize(
    ("checkpointing", "recompute", "expected"),
    [  # a step of 40 tokens in passes of 10; 6 tokens are in the tower at once
        (False, False, FIXED + 50 * 40 + 20 * 10 + 4 * 40 + 35 * 6),
        (True, False, FIXED + 8 * 40 + 20 * 10 + 20 * 10 + 4 * 40 + 8 * 6),
        (False, True, FIXED + 50 * 10 + 20 * 10 + 4 * 40 + 35 * 6),
        (True, True, FIXED + 8 * 10 + 20 * 10 + 20 * 10 + 4 * 40 + 8 * 6),
    ],
)
def test_peak_by_hand(checkpointing: bool, recompute: bool, expected: int) -> None:
    assert PRINT.peak(40, 10, checkpointing=checkpointing, recompute=recompute) == expected


def test_a_short_step_is_one_pass() -> None:
    assert PRINT.peak(4, 10, checkpointing=True, recompute=True) == FIXED + 48 * 4 + 4 * 4 + 8 * 4


@pytest.mark.parametrize(
    ("needed", "ways"),
    [
        (FIXED + 2570, (False, False)),
        (FIXED + 2569, (True, False)),
        (FIXED + 927, (True, True)),
        (1, (True, True)),
    ],
)
def test_the_first_way_that_fits(needed: int, ways: tuple[bool, bool]) -> None:
    plan = plan_memory(PRINT, 40, 10, round(needed / SHARE))
    assert (plan.checkpointing, plan.recompute) == ways
    assert plan.fits == (needed > 1)


def test_grad_cache_alone_where_the_inputs_of_all_passes_are_more_than_a_pass() -> None:
    long = PRINT.peak(400, 10, checkpointing=False, recompute=True)
    plan = plan_memory(PRINT, 400, 10, round(long / SHARE) + 1)
    assert (plan.checkpointing, plan.recompute) == (False, True)


def test_what_the_user_fixed_stays() -> None:
    assert not plan_memory(PRINT, 40, 10, 1, checkpointing=False).checkpointing
    assert plan_memory(PRINT, 40, 10, 10**9, checkpointing=True, recompute=True)[:2] == (True, True)
