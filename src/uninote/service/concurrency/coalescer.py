"""Calls that block, carried out together: what comes while others run goes into the next round.

A round costs a few round trips to the database whatever its size, so rounds grow with the load and each call
gets cheaper. Nothing waits for company: with a free thread a call begins at once. A round begins after all of
its calls came, so each sees everything that was committed before it was made.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from uninote.service.errors import BusyError, UnavailableError

Call = TypeVar("Call")
Result = TypeVar("Result")
STOPPING = "the service is stopping; send the request to another replica"
_Waiting = tuple[Call, "asyncio.Future[Result]"]


class Coalescer(Generic[Call, Result]):
    """`run(item)` gives what `work` returned for it; to be used inside one event loop.

    work: called with the items of a round on one of `threads` threads; one result each, an exception to be
    raised for that item alone. What it raises itself fails the whole round. most: the weight of a round; a
    single item may exceed it. waiting: items that may wait for a thread; more get BusyError. An item whose
    caller was cancelled while it waited is left out.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[list[Call]], Sequence[Result | Exception]],
        *,
        threads: int,
        most: int,
        waiting: int,
        weight: Callable[[Call], int] = lambda _: 1,
    ) -> None:
        self._name, self._work, self._weight = name, work, weight
        self._threads, self._most, self._limit = threads, most, waiting
        self._queue: deque[_Waiting[Call, Result]] = deque()
        self._busy = 0
        self._closed = False
        self._executor = ThreadPoolExecutor(threads, name)

    @property
    def calls(self) -> int:
        """Items that wait and rounds under way."""
        return len(self._queue) + self._busy

    async def run(self, item: Call) -> Result:
        """Raises BusyError when too many wait, UnavailableError after `close`."""
        if self._closed:
            raise UnavailableError(STOPPING)
        if len(self._queue) >= self._limit:
            raise BusyError(f"too many requests wait for the {self._name}; send fewer at a time", 1)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        self._begin()
        return await future

    def close(self) -> None:
        """Wait for the rounds under way; what waits fails. Called from any thread, once no loop needs it."""
        self._closed = True
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> None:
        if self._closed:
            for _, future in self._queue:
                if not future.done():
                    future.set_exception(UnavailableError(STOPPING))
            self._queue.clear()
            return
        loop = asyncio.get_running_loop()
        while self._busy < self._threads and (round_ := self._take()):
            self._busy += 1
            done = self._executor.submit(self._work, [item for item, _ in round_])
            done.add_done_callback(partial(self._tell, loop, round_))

    def _tell(
        self,
        loop: asyncio.AbstractEventLoop,
        round_: list[_Waiting[Call, Result]],
        done: Future[Sequence[Result | Exception]],
    ) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(self._end, round_, done)

    def _take(self) -> list[_Waiting[Call, Result]]:
        taken: list[_Waiting[Call, Result]] = []
        weight = 0
        while self._queue:
            item, future = self._queue[0]
            if not future.cancelled():
                weight += self._weight(item)
                if taken and weight > self._most:
                    break
                taken.append((item, future))
            self._queue.popleft()
        return taken

    def _end(self, round_: list[_Waiting[Call, Result]], done: Future[Sequence[Result | Exception]]) -> None:
        self._busy -= 1
        failure = UnavailableError(STOPPING) if done.cancelled() else done.exception()
        results = [failure] * len(round_) if failure is not None else done.result()
        for (_, future), result in zip(round_, results, strict=True):
            if future.done():  # its caller is gone
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._begin()
