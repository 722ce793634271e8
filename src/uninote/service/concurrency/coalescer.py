"""Request coalescing: calls that arrive while others run are executed together, as the next batch.

A batch takes a few round trips to the database whatever its size, so batches grow with the load and each call
gets cheaper. No call is delayed to form a batch: if a thread is free it starts at once; otherwise it joins
the next batch. A batch starts after its last call arrived, so each call sees everything committed before it
was made.
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
    """Queue whose items are processed in batches; for use inside one event loop.

    work: called with the items of a batch on one of `threads` threads. It returns one result per item; an
    exception as a result is raised for that item alone, an exception that it raises fails the whole batch.
    most: maximal weight of a batch; a single item may exceed it. waiting: maximal number of queued items;
    more get BusyError. An item whose caller was cancelled while it was queued is left out.
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
        """Number of queued items and running batches."""
        return len(self._queue) + self._busy

    async def run(self, item: Call) -> Result:
        """Process an item. Raises BusyError when the queue is full, UnavailableError after `close`."""
        if self._closed:
            raise UnavailableError(STOPPING)
        if len(self._queue) >= self._limit:
            raise BusyError(f"too many requests wait for the {self._name}; send fewer at a time", 1)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        self._begin()
        return await future

    def close(self) -> None:
        """Wait for the running batches; queued items fail. Call it from any thread, after the last `run`."""
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
        while self._busy < self._threads and (batch := self._take()):
            self._busy += 1
            done = self._executor.submit(self._work, [item for item, _ in batch])
            done.add_done_callback(partial(self._notify, loop, batch))

    def _notify(
        self,
        loop: asyncio.AbstractEventLoop,
        batch: list[_Waiting[Call, Result]],
        done: Future[Sequence[Result | Exception]],
    ) -> None:
        with suppress(RuntimeError):  # the loop has ended, and all callers with it
            loop.call_soon_threadsafe(self._end, batch, done)

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

    def _end(self, batch: list[_Waiting[Call, Result]], done: Future[Sequence[Result | Exception]]) -> None:
        self._busy -= 1
        failure = UnavailableError(STOPPING) if done.cancelled() else done.exception()
        results = [failure] * len(batch) if failure is not None else done.result()
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._begin()
