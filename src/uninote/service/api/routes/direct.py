"""A route that reads its body and writes its answer in one step each, for what is called all the time.

FastAPI makes Python values of the JSON, checks those, asks each dependency as a call of its own, and checks
the answer again: a third of all that a note costs the service.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

_GIVEN: dict[str, Callable[[Request], Any]] = {
    "request": lambda request: request,
    "service": lambda request: request.app.state.runtime,
    "caller": lambda request: request.state.identity,
}


class DirectRoute(APIRoute):
    """Calls `endpoint(body, ...)`; its other arguments are known by their names here.

    A request that is not as the schema says, or brings a header that the endpoint has an argument for, goes
    FastAPI's own way, so what is refused and how is the same; so does every one of an endpoint without body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        usual = super().get_route_handler()
        endpoint = self.endpoint
        if self.body_field is None:
            return usual
        headers = [field.alias for field in self.dependant.header_params]
        read = TypeAdapter(get_type_hints(endpoint)["body"]).validate_json
        write = TypeAdapter(self.response_model).dump_json
        given = {name: source for name, source in _GIVEN.items() if name in signature(endpoint).parameters}

        async def handle(request: Request) -> Response:
            if any(name in request.headers for name in headers):
                return await usual(request)
            try:
                body = read(await request.body())
            except ValidationError:
                return await usual(request)  # which says what is wrong
            answer = await endpoint(body, **{name: source(request) for name, source in given.items()})
            return Response(write(answer), media_type="application/json")

        return handle
