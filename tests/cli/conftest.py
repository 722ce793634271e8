"""A service's database, as the tests of the service have one."""

from __future__ import annotations

from tests.service.conftest import address, database, server, template, world

__all__ = ["address", "database", "server", "template", "world"]
