"""A real service with a stub of an encoder, and its database."""

from __future__ import annotations

from tests.service.conftest import address, server, template
from tests.service.http.conftest import new, stub

__all__ = ["address", "new", "server", "stub", "template"]
