"""The stub of the API (real server processes)."""

from __future__ import annotations

from tests.service.http.conftest import new, stub

__all__ = ["new", "stub"]
