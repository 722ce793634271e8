"""Concurrency limit: a caller above it gets BusyError instead of a place in a queue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uninote.service.errors import BusyError


class ConcurrencyLimit:
    """Limit of `limit` concurrent callers for expensive work; for use from one event loop."""

    def __init__(self, what: str, limit: int) -> None:
        self._what, self._limit = what, limit
        self.inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Count the caller while the block runs. Raises BusyError when the limit is reached."""
        if self.inside >= self._limit:
            raise BusyError(f"{self._limit} {self._what} are under way already; send fewer at a time", 1)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
