"""A limit on how many callers are inside at once; the next one is told to come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from uninote.service.errors import BusyError


class ConcurrencyLimit:
    """`limit` callers at a time. For work that is dear; used from one event loop only."""

    def __init__(self, what: str, limit: int) -> None:
        self._what, self._limit = what, limit
        self.inside = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises BusyError when it is full."""
        if self.inside >= self._limit:
            raise BusyError(f"{self._limit} {self._what} are under way already; send fewer at a time", 1)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
