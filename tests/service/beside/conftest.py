"""The fixtures of the stream (a real Redis) and of the API (real server processes)."""

from __future__ import annotations

from tests.service.api.conftest import stub
from tests.service.stream.conftest import broker

__all__ = ["broker", "stub"]
