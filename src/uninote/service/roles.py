"""Roles of API keys, in order: each may do what the ones before it may."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["read", "ingest", "operate", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
