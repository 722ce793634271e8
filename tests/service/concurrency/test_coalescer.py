"""Coalescer: calls that arrive while others run form one batch, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from uninote.service.concurrency.coalescer import Coalescer
from uninote.service.errors import BusyError, ConflictError, UnavailableError


class Doubler:
    """Work that doubles numbers; it blocks until `go` is set, and records its batches."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.rounds: list[list[int]] = []

    def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        self.rounds.append(items)
        assert self.go.wait(60)
        if 13 in items:
            raise RuntimeError("the whole round")
        return [ConflictError("odd") if item % 2 else 2 * item for item in items]


def gather(work: Doubler, *, threads: int = 1, most: int = 10, waiting: int = 10) -> Coalescer[int, int]:
    return Coalescer("test", work, threads=threads, most=most, waiting=waiting)


def test_what_waits_goes_together_and_errors_stay_apart() -> None:
    work = Doubler()

    async def run() -> list[object]:
        calls = gather(work)
        first = asyncio.create_task(calls.run(2))
        await asyncio.sleep(0)
        others = [asyncio.create_task(calls.run(number)) for number in (4, 5, 6)]
        await asyncio.sleep(0)
        assert calls.calls == 4
        work.go.set()
        found = await asyncio.gather(first, *others, return_exceptions=True)
        assert calls.calls == 0
        calls.close()
        return list(found)

    first, second, odd, third = asyncio.run(run())
    assert (first, second, third) == (4, 8, 12)
    assert isinstance(odd, ConflictError)
    assert work.rounds == [[2], [4, 5, 6]]


def test_a_round_holds_no_more_than_its_weight_and_threads_work_side_by_side() -> None:
    work = Doubler()
    work.go.set()

    async def run() -> list[int]:
        calls = gather(work, threads=2, most=2)
        found = await asyncio.gather(*(calls.run(2 * number) for number in range(7)))
        calls.close()
        return list(found)

    assert asyncio.run(run()) == [4 * number for number in range(7)]
    assert all(len(one) <= 2 for one in work.rounds)


def test_too_many_are_refused_and_the_cancelled_left_out() -> None:
    work = Doubler()

    async def run() -> None:
        calls = gather(work, waiting=2)
        tasks = [asyncio.create_task(calls.run(number)) for number in (0, 2, 4)]
        await asyncio.sleep(0)
        with pytest.raises(BusyError, match="too many requests wait for the test"):
            await calls.run(6)
        tasks[1].cancel()
        await asyncio.sleep(0)
        work.go.set()
        assert await asyncio.gather(tasks[0], tasks[2]) == [0, 8]
        calls.close()
        with pytest.raises(UnavailableError):
            await calls.run(0)

    asyncio.run(run())
    assert work.rounds == [[0], [4]]


def test_a_round_that_breaks_fails_all_of_its_calls_and_no_others() -> None:
    work = Doubler()
    work.go.set()

    async def run() -> None:
        calls = gather(work, most=1)
        broken, good = await asyncio.gather(calls.run(13), calls.run(2), return_exceptions=True)
        assert isinstance(broken, RuntimeError)
        assert good == 4
        calls.close()

    asyncio.run(run())
