"""Cancellation of a request when its caller disconnects."""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.types import Receive

LISTEN_AFTER = 0.05  # seconds


class Answering(Protocol):
    """State of an answer."""

    complete: bool
    cancelled: bool


class CancelOnDisconnect:
    """Watcher that cancels the current task when the caller disconnects before the answer is complete.

    Watching starts `LISTEN_AFTER` seconds into the request. Most requests finish sooner, and a watcher task
    for each would cost more than the work it saves. seen: whether the caller disconnected.
    """

    def __init__(self, call: Answering, receive: Receive) -> None:
        self._call, self._receive = call, receive
        task = asyncio.current_task()
        assert task is not None, "requests are handled in tasks"
        self._task = task
        self._listener: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(LISTEN_AFTER, self._listen)
        self.seen = False

    def end(self) -> None:
        self._timer.cancel()
        if self._listener is not None:
            self._listener.remove_done_callback(self._left)
            self._listener.cancel()
        if self.seen:
            self._task.uncancel()

    def _listen(self) -> None:
        self._listener = asyncio.create_task(_disconnected(self._receive))
        self._listener.add_done_callback(self._left)

    def _left(self, _: object) -> None:
        if not self._call.complete:
            self.seen = self._call.cancelled = True
            self._task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
