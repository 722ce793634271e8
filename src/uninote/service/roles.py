"""Roles of API keys, in order: each role has the rights of the ones before it."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["read", "ingest", "operate", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
