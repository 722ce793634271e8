"""Bounded executor: calls above the limit are refused, and cancelled ones are not started."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from uninote.service.concurrency.bounded_executor import BoundedExecutor
from uninote.service.errors import BusyError


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 20))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_calls_return_raise_and_are_bounded() -> None:
    async def work() -> None:
        pool, gate = BoundedExecutor("database", 1, 2), threading.Event()
        assert await pool.run(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 7, 0)
        calls = [asyncio.create_task(pool.run(gate.wait, 10)) for _ in range(3)]
        await until(lambda: pool.calls == 3)
        with pytest.raises(BusyError, match="database"):
            await pool.run(gate.wait, 10)
        gate.set()
        assert await asyncio.gather(*calls) == [True, True, True]
        await until(lambda: pool.calls == 0)
        pool.close()

    run(work())


def test_a_cancelled_call_that_waits_is_not_begun() -> None:
    async def work() -> None:
        pool, gate, begun = BoundedExecutor("database", 1, 2), threading.Event(), []
        first = asyncio.create_task(pool.run(gate.wait, 10))
        second = asyncio.create_task(pool.run(begun.append, 1))
        await until(lambda: pool.calls == 2)
        second.cancel()
        await until(lambda: pool.calls == 1)  # its place is free before the first one ends
        gate.set()
        assert await first
        pool.close()
        await until(lambda: pool.calls == 0)
        assert begun == []

    run(work())
