"""Rate limit per key: a token bucket for the requests of one second, at least one."""

from __future__ import annotations

import time
from collections.abc import Callable

from uninote.service.errors import BusyError

MAX_KEYS = 10_000


class Rates:
    """Token buckets that allow `per_second` requests of each key on average; 0 means no limit."""

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_second, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> None:
        """Count one request. Raises BusyError with the seconds until the next one is free."""
        if not self._rate:
            return
        tokens = self._tokens(key)
        allowed = tokens >= 1
        self._keep(key, tokens - 1 if allowed else tokens)
        if not allowed:
            raise BusyError(f"this key may send {self._rate:g} requests a second", (1 - tokens) / self._rate)

    def charge(self, key: str, requests: int) -> None:
        """Count further requests against the key's bucket, which may become negative."""
        if self._rate:
            self._keep(key, self._tokens(key) - requests)

    def _tokens(self, key: str) -> float:
        most = max(1.0, self._rate)
        now = self._clock()
        tokens, last = self._buckets.get(key, (most, now))
        return min(most, tokens + (now - last) * self._rate)

    def _keep(self, key: str, tokens: float) -> None:
        self._buckets.pop(key, None)  # so that the dict is in the order of use
        self._buckets[key] = (tokens, self._clock())
        if len(self._buckets) > MAX_KEYS:  # drop the longest idle bucket, which is nearly full
            self._buckets.pop(next(iter(self._buckets)))
