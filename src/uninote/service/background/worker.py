"""Background thread tied to the service: it stops with the service, and ends it when it crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Thread that runs `work`.

    stop: makes `work` return soon. on_death: called when `work` raises, unless the worker was stopped.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        stop: Callable[[], None],
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._work, self._request_stop, self._on_death = work, stop, on_death
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Request the end after the current work; return at once."""
        self._stopping = True
        self._request_stop()

    def join(self, seconds: float) -> bool:
        """Wait for the end; return whether the thread has ended. One that was never started has."""
        if self._thread.ident is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            if not self._stopping:
                self._on_death(error)
