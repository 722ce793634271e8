"""Background thread of the service: stops with it, and ends it when it crashes."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Worker:
    """Runs `work` on a thread until it returns.

    stop: makes `work` return soon. on_death: called when `work` raised instead, unless it was stopped.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        stop: Callable[[], None],
        on_death: Callable[[BaseException], None],
    ) -> None:
        self._work, self._ask, self._on_death = work, stop, on_death
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it end after its current work; returns at once."""
        self._stopping = True
        self._ask()

    def join(self, seconds: float) -> bool:
        """Wait for the end; return whether it came. A worker that was never started has ended."""
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
