"""Fast path: it answers as the route does, and leaves other requests to the route."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import httpx
import pytest

from uninote.service.http import app
from uninote.service.http.fast_path import PATHS, direct_routes


def test_every_path_has_an_endpoint_that_can_be_called_so() -> None:
    routes = app.routes().routes
    assert set(direct_routes(routes, None)) == {("POST", path) for path in PATHS}  # type: ignore[arg-type]
    for route in routes:
        if getattr(route, "path", "") in PATHS:
            more = [
                name
                for name, one in signature(route.endpoint).parameters.items()  # type: ignore[attr-defined]
                if one.default is Parameter.empty
            ]
            assert set(more) <= {"body", "service", "caller"}


@pytest.mark.parametrize("body", [b"", b"{", b'{"id": 5}', b'{"id": "a", "title": "\\ud800"}', b"[" * 10_000])
def test_what_is_not_good_is_left_to_the_route(body: bytes) -> None:
    direct = direct_routes(app.routes().routes, None)["POST", "/v1/notes"]  # type: ignore[arg-type]
    assert asyncio.run(direct({"headers": []}, body)) is None
    keyed = {"headers": [(b"idempotency-key", b"k")]}
    assert asyncio.run(direct(keyed, b'{"id": "a", "title": "good"}')) is None


def test_both_ways_answer_alike(admin: httpx.Client, new: Callable[[str], str]) -> None:
    def stored(headers: dict[str, str]) -> tuple[dict[str, Any], list[str]]:
        note_id = new("alike")
        answer = admin.post("/v1/notes", json={"id": note_id, "title": "rain and sun"}, headers=headers)
        assert answer.status_code == 200
        assert answer.json().pop("id") == note_id
        return answer.json() | {"id": ""}, sorted(name for name in answer.headers if name != "date")

    assert stored({}) == stored({"Idempotency-Key": new("key")})
