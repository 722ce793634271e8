"""Fast path of the hottest routes: bypasses FastAPI's validation, dependencies and middleware.

FastAPI parses the JSON, validates the values, calls each dependency and validates the answer, inside five
layers of middleware. Here the body is parsed and the answer written in one step each. Invalid requests, and
requests with an idempotency key, take the normal path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import signature
from typing import Any, get_type_hints

from fastapi import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.routing import BaseRoute
from starlette.types import Scope

from uninote.service.app.services import Services

PATHS = frozenset({"/v1/notes", "/v1/notes/batch", "/v1/match", "/v1/search"})
NOT_HERE = b"idempotency-key"

Direct = Callable[[Scope, bytes], Awaitable[Response | None]]
"""Function that answers a request with that body; None: the route must answer it."""


def direct_routes(routes: Sequence[BaseRoute], services: Services) -> dict[tuple[str, str], Direct]:
    """Return the fast answers by method and path."""
    found = [route for route in routes if isinstance(route, APIRoute) and route.path in PATHS]
    return {("POST", route.path): _direct(route, services) for route in found}


def _direct(route: APIRoute, services: Services) -> Direct:
    """Return the fast answer of a route, whose endpoint takes `body`, and may take `service` and `caller`."""
    endpoint = route.endpoint
    read = TypeAdapter(get_type_hints(endpoint)["body"]).validate_json
    write = TypeAdapter(route.response_model).dump_json
    with_caller = "caller" in signature(endpoint).parameters

    async def answer(scope: Scope, body: bytes) -> Response | None:
        if any(name == NOT_HERE for name, _ in scope["headers"]):
            return None
        try:
            given = read(body)
        except ValidationError:
            return None  # the route reports the error
        more: dict[str, Any] = {"caller": scope["state"]["identity"]} if with_caller else {}
        return Response(write(await endpoint(given, service=services, **more)), media_type="application/json")

    return answer
