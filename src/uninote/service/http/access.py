"""Access control: each route declares the role that it needs. A route without a role fails at startup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from uninote.service.roles import Role

Access = Role | Literal["public"]
_ROLE = "x-role"


def needs(role: Access) -> dict[str, Any]:
    """Declare the role of a route: `@router.get(path, openapi_extra=needs("read"))`.

    The middleware reads it before the body, and the OpenAPI document shows it.
    """
    return {_ROLE: role} if role == "public" else {_ROLE: role, "security": [{"key": []}]}


def access_of(routes: Sequence[BaseRoute]) -> list[tuple[Route, Access]]:
    """Return every route with its role, in order. Raises RuntimeError for a route that declares none."""
    declared: list[tuple[Route, Access]] = []
    for route in routes:
        extra = route.openapi_extra if isinstance(route, APIRoute) else None
        if not isinstance(route, Route) or not extra or _ROLE not in extra:
            raise RuntimeError(
                f"the route {getattr(route, 'path', route)} declares no role; add openapi_extra=needs(...)"
            )
        declared.append((route, extra[_ROLE]))
    return declared
