"""Bounded work in threads, results in order: decoding of pictures and preparation of batches ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock
from typing import Any, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Threads:
    """Threads that start with the first call and end when all calls are done.

    Callers at the same time share them, so that never more than `count` calls run. A copy is the same object.
    """

    def __init__(self, count: int, name: str) -> None:
        self.count, self.name = count, name
        self._lock, self._calls = Lock(), 0
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, call: Callable[..., R], *arguments: Any) -> Future[R]:
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(self.count, self.name)
            future = self._pool.submit(call, *arguments)
            self._calls += 1
        future.add_done_callback(self._done)
        return future

    def run(self, calls: Sequence[Callable[[], Any]]) -> None:
        """Run the calls, one call or with one thread in that of the caller. Raises the first error."""
        if len(calls) == 1 or self.count == 1:
            for call in calls:
                call()
            return
        futures = [self.submit(call) for call in calls]
        try:
            for future in futures:
                future.result()
        finally:
            finish(futures)

    def _done(self, future: Future[Any]) -> None:
        with self._lock:
            self._calls -= 1
            if not self._calls and self._pool:
                self._pool.shutdown(wait=False)
                self._pool = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def ahead(make: Callable[[T], R], tasks: Iterable[T], threads: Threads, depth: int) -> Iterator[tuple[T, R]]:
    """Yield every task with `make(task)`, in the order of `tasks`.

    While the caller uses one result, at most `depth` further ones are made or wait. Raises what `make`
    raised, in its turn. When the caller stops, closing the iterator, calls that did not start are cancelled
    and those under way are waited for.
    """
    waiting: deque[tuple[T, Future[R]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, threads.submit(make, task)))
            if len(waiting) > depth:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        finish(future for _, future in waiting)


def finish(futures: Iterable[Future[Any]]) -> None:
    """Cancel the calls that did not start, and wait for the others."""
    wait([future for future in futures if not future.cancel()])
