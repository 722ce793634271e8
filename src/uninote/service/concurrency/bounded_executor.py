"""Thread pool for blocking calls, with a bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from uninote.service.errors import BusyError

Result = TypeVar("Result")


class BoundedExecutor:
    """Thread pool of `threads` threads with a queue of at most `waiting` calls.

    Cancelling the caller removes a queued call; a call that runs already runs to its end.
    """

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._name = name
        self._limit = threads + waiting
        self._executor = ThreadPoolExecutor(threads, name)
        self.calls = 0

    async def run(self, work: Callable[..., Result], *args: Any, **options: Any) -> Result:
        """Run `work` on a thread; return its result. Raises BusyError when the queue is full."""
        if self.calls >= self._limit:
            raise BusyError(f"too many requests wait for the {self._name}; send fewer at a time", 1)
        self.calls += 1
        future = self._executor.submit(partial(work, *args, **options))
        future.add_done_callback(partial(self._done, asyncio.get_running_loop()))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for the calls that run; cancel the queued ones."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _done(self, loop: asyncio.AbstractEventLoop, _: object) -> None:
        if loop.is_closed():
            return
        loop.call_soon_threadsafe(self._count_down)

    def _count_down(self) -> None:
        self.calls -= 1
