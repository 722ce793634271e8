"""Reading stage: threads that read the texts in pictures, with a bounded queue, before items are encoded.

Each picture is a job of its own, so the pictures of a note are read in parallel. Pictures of requests go
before those of background work (backfill), which yields after each picture. Items whose pictures all have
their texts pass at once. Jobs of cancelled callers are dropped.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from uninote.errors import ConfigError, ItemError
from uninote.items import Item, Picture, with_lines
from uninote.service.concurrency.batcher import MAX_RETRY, MIN_RETRY, REQUEST
from uninote.service.errors import BusyError, UnavailableError

Read = Callable[[Sequence[Item]], Sequence[Item | ItemError]]
"""Reading of a model (see `uninote.Encoder.read`); several threads call it at once."""
Lines = tuple[str, ...] | None | ItemError
_Job = tuple[int, int, Read, Picture, Future[Lines]]
"""Priority, number, reading, picture, result."""


class Watcher(Protocol):
    """Observer of pictures that were read; called from the threads."""

    def read(self, failed: bool, seconds: float) -> None: ...


class ReadingStage:
    """Queue in front of `threads` threads; any number of tasks may call `read`.

    max_pictures: distinct pictures of requests that may be queued or in progress.
    """

    def __init__(self, watcher: Watcher, *, threads: int, max_pictures: int) -> None:
        self._watcher, self._threads, self._max = watcher, threads, max_pictures
        self._executor = ThreadPoolExecutor(threads, "reading")
        self._lock = threading.Lock()
        self._jobs: list[_Job] = []  # a heap
        self._numbers = itertools.count()
        self._pictures: Counter[str] = Counter()  # of requests, by digest
        self._closed = False
        self._seconds_per_picture = 0.5

    @property
    def depth(self) -> int:
        """Number of distinct pictures of requests that are queued or in progress."""
        return len(self._pictures)

    async def read(
        self, items: Sequence[Item], read: Read, *, priority: int = REQUEST
    ) -> list[Item | ItemError]:
        """Return the items with the texts of their pictures; the error in place of one that cannot be read.

        Cancellation drops the pictures that are still queued. Raises BusyError when the queue is full,
        UnavailableError when the service stops, and the error of a reading that fails as a whole.
        """
        unread = {picture.digest: picture for item in items for picture in item.unread}
        if not unread:
            return list(items)
        futures = self._submit(unread, read, priority)
        found = await asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        lines: dict[str, Lines] = {}
        for digest, result in zip(unread, found, strict=True):
            if isinstance(result, BaseException) and not isinstance(result, ItemError):
                raise result
            lines[digest] = result
        read_items = iter(with_lines((item for item in items if item.unread), lines))
        return [next(read_items) if item.unread else item for item in items]

    def close(self) -> None:
        """Wait for the pictures that are being read; the queued ones fail with UnavailableError."""
        with self._lock:
            self._closed = True
            left, self._jobs = self._jobs, []
        for *_, future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(_stopping())
        self._executor.shutdown(wait=True)

    def _submit(self, pictures: dict[str, Picture], read: Read, priority: int) -> list[Future[Lines]]:
        futures: list[Future[Lines]] = [Future() for _ in pictures]
        with self._lock:
            if self._closed:
                raise _stopping()
            if priority == REQUEST:
                count = len(self._pictures)
                if count and len(self._pictures.keys() | pictures.keys()) > max(count, self._max):
                    raise BusyError(
                        f"{count} pictures wait to be read, the queue takes {self._max}; send fewer at a "
                        "time, send `ocr` with them, or add a replica",
                        min(MAX_RETRY, max(MIN_RETRY, count * self._seconds_per_picture / self._threads)),
                    )
                self._pictures.update(pictures.keys())
            for picture, future in zip(pictures.values(), futures, strict=True):
                heapq.heappush(self._jobs, (priority, next(self._numbers), read, picture, future))
                self._executor.submit(self._work)
        if priority == REQUEST:
            for digest, future in zip(pictures, futures, strict=True):
                future.add_done_callback(lambda _, digest=digest: self._leave(digest))  # type: ignore[misc]
        return futures

    def _leave(self, digest: str) -> None:
        with self._lock:
            self._pictures[digest] -= 1
            if not self._pictures[digest]:
                del self._pictures[digest]

    def _work(self) -> None:
        """Do the first job of the queue; as many calls are submitted as jobs."""
        with self._lock:
            if not self._jobs:  # closed
                return
            *_, read, picture, future = heapq.heappop(self._jobs)
        if not future.set_running_or_notify_cancel():
            return
        started = time.monotonic()
        try:
            (found,) = read([Item.of(picture)])
        except ConfigError as error:  # the engine is not installed here: no fault of the request
            future.set_exception(UnavailableError(str(error)))
            return
        except BaseException as error:
            future.set_exception(error)
            return
        seconds = time.monotonic() - started
        self._seconds_per_picture += 0.2 * (seconds - self._seconds_per_picture)
        self._watcher.read(isinstance(found, ItemError), seconds)
        future.set_result(found if isinstance(found, ItemError) else found.pictures[0].ocr)


def _stopping() -> UnavailableError:
    return UnavailableError("the service is stopping; send the request to another replica")
