"""The rate limit, on a clock of its own."""

from __future__ import annotations

import pytest

from uninote.service.errors import BusyError
from uninote.service.http import rate_limit
from uninote.service.http.rate_limit import Rates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refused(limit: Rates, key: str) -> float:
    with pytest.raises(BusyError) as error:
        limit.take(key)
    return error.value.seconds


def test_a_key_gets_its_rate_on_the_average_and_one_second_at_once() -> None:
    clock = Clock()
    limit = Rates(4, clock)
    for _ in range(4):
        limit.take("a")
    assert refused(limit, "a") == pytest.approx(0.25)
    limit.take("b")  # another key has a bucket of its own
    clock.now += 0.25
    limit.take("a")
    assert refused(limit, "a") == pytest.approx(0.25)
    clock.now += 100  # idle time is not saved up
    for _ in range(4):
        limit.take("a")
    refused(limit, "a")


def test_less_than_one_a_second() -> None:
    clock = Clock()
    limit = Rates(0.1, clock)
    limit.take("a")
    assert refused(limit, "a") == pytest.approx(10)
    clock.now += 10
    limit.take("a")


def test_zero_is_no_limit() -> None:
    limit = Rates(0)
    for _ in range(1000):
        limit.take("a")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limit, "MAX_KEYS", 3)
    limit = Rates(1, Clock())
    for key in "abcd":
        limit.take(key)
    limit.take("a")  # forgotten, so it begins again
    refused(limit, "d")


def test_what_costs_more_is_paid_for_by_the_requests_that_come_after() -> None:
    clock = Clock()
    limit = Rates(2, clock)
    limit.take("a")
    limit.charge("a", 4)
    assert refused(limit, "a") == pytest.approx(2)
    limit.take("b")
    clock.now += 2
    limit.take("a")
    free = Rates(0)
    free.charge("a", 1000)
    free.take("a")
