"""Roles are declared on routes, and every error has its status."""

from __future__ import annotations

import pytest
from fastapi import APIRouter
from starlette.routing import Mount, Route

from uninote.errors import ConfigError, ItemError, StoreError
from uninote.service.errors import BusyError, NotFoundError, ServiceError
from uninote.service.http.access import access_of, needs
from uninote.service.http.errors import SlowBodyError, status_of


async def answer() -> None: ...


def test_the_declared_role_is_read_from_the_route() -> None:
    router = APIRouter()
    router.get("/a/{name}", openapi_extra=needs("operate"))(answer)
    router.get("/b", openapi_extra=needs("public"))(answer)
    found = access_of(router.routes)
    assert [(route.path, role) for route, role in found] == [("/a/{name}", "operate"), ("/b", "public")]


@pytest.mark.parametrize("extra", [None, {}, {"security": []}])
def test_a_route_without_a_role_is_refused(extra: dict[str, object] | None) -> None:
    router = APIRouter()
    router.get("/bare", openapi_extra=extra)(answer)
    with pytest.raises(RuntimeError, match="/bare"):
        access_of(router.routes)


def test_what_can_declare_no_role_is_refused() -> None:
    for route in (Route("/plain", answer), Mount("/files", routes=[])):
        with pytest.raises(RuntimeError, match=route.path):
            access_of([route])


def test_an_error_has_the_status_of_its_nearest_class() -> None:
    errors = [
        NotFoundError(""),
        BusyError("", 1),
        StoreError(""),
        SlowBodyError(""),
        ItemError(""),
        ServiceError(""),
    ]
    assert [status_of(error) for error in errors] == [404, 429, 503, 408, 422, 422]
    assert [error.code for error in errors] == [
        "not_found",
        "busy",
        "database",
        "timeout",
        "bad_item",
        "invalid",
    ]
    assert ConfigError("").code == "invalid"
