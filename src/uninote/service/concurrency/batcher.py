"""Dynamic batching: many requests share one forward pass, within a token budget and a latency cap.

One thread owns the model. It takes queued items, oldest first, until the token budget is full. If there is
room left it waits for more items, but never longer than `wait_seconds` after the oldest request arrived.
Probes have priority. Background work (backfill) runs when no request waits, in small batches, so a request
that arrives meanwhile waits for one small batch. Items of cancelled callers are dropped before encoding.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.errors import BusyError, UnavailableError

Vector = NDArray[np.float32]
Group = Hashable
"""Key of items that can share a forward pass: the model version and the instruction."""

MAX_FAILURES = 3  # consecutive batches that fail before the model counts as broken
MIN_RETRY, MAX_RETRY = 1.0, 60.0  # seconds
PROBE, REQUEST, BACKGROUND = 0, 1, 2
"""Priorities: the lower one goes first. Only requests count against `max_items`."""
BACKGROUND_PART = 8  # a background batch has the token budget divided by this


class Model(Protocol):
    """Model that the batcher calls, from its own thread only."""

    def cost(self, item: Item, group: Group) -> int:
        """Return the tokens of the item. Raises ItemError for an item that cannot be read."""
        ...

    def encode(self, items: Sequence[Item], group: Group) -> Sequence[Vector | ItemError]:
        """Return per item its vector, or the error that prevents one."""
        ...


class Watcher(Protocol):
    """Observer of batches and of dropped items; called from the batcher's thread."""

    def batch(self, items: int, tokens: int, waited: float, seconds: float) -> None: ...

    def drop(self, items: int) -> None: ...


@dataclass(eq=False)
class _Job:
    item: Item
    group: Group
    priority: int
    future: Future[Vector | ItemError] = field(default_factory=Future)
    came: float = field(default_factory=time.monotonic)
    cost: int = 0


class Batcher:
    """Queue in front of one model thread; any number of tasks may call `encode`.

    token_budget: tokens of one batch; a single item may exceed it. wait_seconds: the latency cap above.
    max_items: items of requests that may be queued or in progress. on_death: called from the thread when it
    cannot continue. All queued and later items then fail with UnavailableError.
    """

    def __init__(
        self,
        model: Model,
        watcher: Watcher,
        *,
        token_budget: int,
        wait_seconds: float,
        max_items: int,
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._model, self._watcher = model, watcher
        self._budget, self._wait, self._max = token_budget, wait_seconds, max_items
        self._on_death = on_death
        self._inbox: deque[_Job] = deque()
        self._waiting: list[_Job] = []  # used by the thread only; costs are known
        self._changed = threading.Condition()
        self._count = 0
        self._closing = False
        self._failures = 0
        self._seconds_per_item = 0.05
        self.dead: BaseException | None = None

        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Number of items of requests that are queued or in progress."""
        return self._count

    async def encode(
        self, items: Sequence[Item], group: Group, *, priority: int = REQUEST, tokens: list[int] | None = None
    ) -> list[Vector | ItemError]:
        """Encode items; return per item its vector float32 [dim], or the error that prevents one.

        tokens: a list to which the tokens of each item are appended, 0 for an item that cannot be read.
        Cancellation drops the items that are still queued. Raises BusyError when the queue is full,
        UnavailableError when the service stops or the model is broken.
        """
        jobs = self._submit(items, group, priority)
        futures = [asyncio.wrap_future(job.future) for job in jobs]
        results = await asyncio.gather(*futures, return_exceptions=True)
        answers: list[Vector | ItemError] = []
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, ItemError):
                raise result
            answers.append(result)
        if tokens is not None:
            tokens += [job.cost for job in jobs]
        return answers

    def close(self, timeout: float) -> None:
        """Finish queued items within `timeout` seconds; the remaining ones fail with UnavailableError.

        Queued background work fails at once: a backfill can be repeated.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)
        self._fail_all(UnavailableError("the service is stopping; send the request to another replica"))

    def _submit(self, items: Sequence[Item], group: Group, priority: int) -> list[_Job]:
        jobs = [_Job(item, group, priority) for item in items]
        with self._changed:
            if self.dead is not None or self._closing:
                raise UnavailableError("the encoder has stopped; send the request to another replica")
            if priority == REQUEST:
                if self._count and self._count + len(jobs) > self._max:
                    raise BusyError(
                        f"{self._count} items wait to be encoded, the queue takes {self._max}; "
                        "send fewer at a time, or add a replica",
                        self._retry_after(),
                    )
                self._count += len(jobs)
            self._inbox.extend(jobs)
            self._changed.notify_all()
        if priority == REQUEST:
            for job in jobs:
                job.future.add_done_callback(self._leave)
        return jobs

    def _leave(self, _: object) -> None:
        with self._changed:
            self._count -= 1

    def _retry_after(self) -> float:
        return min(MAX_RETRY, max(MIN_RETRY, self._count * self._seconds_per_item))

    def _run(self) -> None:
        try:
            while batch := self._next():
                self._work(batch)
        except BaseException as error:
            self.dead = error
            self._fail_all(UnavailableError("the encoder has stopped; send the request to another replica"))
            self._on_death(error)

    def _next(self) -> list[_Job]:
        """Wait for the next batch and return it; empty when the batcher closes and nothing is queued."""
        while True:
            with self._changed:
                while not self._inbox and not self._waiting and not self._closing:
                    self._changed.wait()
                new = list(self._inbox)
                self._inbox.clear()
            for job in new:
                self._receive(job)
            if self._closing:
                self._give_up_background()
            batch, full = self._pick()
            if not batch:
                if self._closing and not self._inbox:
                    return []
                continue
            with self._changed:
                left = batch[0].came + self._wait - time.monotonic()
                if not full and left > 0 and not self._closing:
                    if not self._inbox:
                        self._changed.wait(left)
                    continue
            taken = set(map(id, batch))
            self._waiting = [job for job in self._waiting if id(job) not in taken]
            return batch

    def _receive(self, job: _Job) -> None:
        if job.future.cancelled():
            self._watcher.drop(1)
            return
        try:
            job.cost = self._model.cost(job.item, job.group)
        except ItemError as error:
            if job.future.set_running_or_notify_cancel():
                job.future.set_result(error)
            return
        self._waiting.append(job)

    def _pick(self) -> tuple[list[_Job], bool]:
        """Return jobs of the oldest job's group within the budget, and whether the batch is full."""
        gone = [job for job in self._waiting if job.future.cancelled()]
        if gone:
            self._waiting = [job for job in self._waiting if not job.future.cancelled()]
            self._watcher.drop(len(gone))
        if not self._waiting:
            return [], False
        first = min(self._waiting, key=lambda job: (job.priority, job.came))
        budget = self._budget // BACKGROUND_PART if first.priority == BACKGROUND else self._budget
        batch: list[_Job] = []
        tokens = 0
        for job in self._waiting:
            if (job.group, job.priority) != (first.group, first.priority):
                continue
            if batch and tokens + job.cost > budget:
                return batch, True
            batch.append(job)
            tokens += job.cost
        return batch, tokens >= budget

    def _give_up_background(self) -> None:
        given_up = [job for job in self._waiting if job.priority == BACKGROUND]
        self._waiting = [job for job in self._waiting if job.priority != BACKGROUND]
        _fail(given_up, UnavailableError("the service is stopping; ask again when it is back"))

    def _work(self, batch: list[_Job]) -> None:
        live = [job for job in batch if job.future.set_running_or_notify_cancel()]
        if len(live) < len(batch):
            self._watcher.drop(len(batch) - len(live))
        if not live:
            return
        started = time.monotonic()
        try:
            results = self._model.encode([job.item for job in live], live[0].group)
        except Exception as error:
            for job in live:
                job.future.set_exception(error)
            self._failures += 1
            if self._failures >= MAX_FAILURES:
                raise
            return
        except BaseException:
            for job in live:
                job.future.set_exception(UnavailableError("the encoder has stopped"))
            raise
        ended = time.monotonic()
        self._failures = 0

        self._seconds_per_item += 0.2 * ((ended - started) / len(live) - self._seconds_per_item)
        self._watcher.batch(len(live), sum(job.cost for job in live), started - live[0].came, ended - started)
        for job, result in zip(live, results, strict=True):
            job.future.set_result(result)

    def _fail_all(self, error: Exception) -> None:
        with self._changed:
            self._closing = True
            left = [*self._inbox, *self._waiting]
            self._inbox.clear()
            self._waiting = []
        _fail(left, error)


def _fail(jobs: Sequence[_Job], error: Exception) -> None:
    for job in jobs:
        with suppress(RuntimeError):  # the thread has taken the job meanwhile
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
