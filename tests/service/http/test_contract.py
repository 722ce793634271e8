"""The OpenAPI document: checked in, equal to the routes, and kept by every answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.fuzz import fuzz

from uninote.service.http.app import routes
from uninote.service.http.routes import notes

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return routes().openapi()


def test_the_checked_in_document_is_that_of_the_routes(document: dict[str, Any]) -> None:
    written = json.loads(FILE.read_text("utf-8"))
    assert written == json.loads(json.dumps(document)), "run `python scripts/openapi.py`"


def test_every_operation_names_its_role_and_its_errors(document: dict[str, Any]) -> None:
    operations = [(path, one) for path, every in document["paths"].items() for one in every.values()]
    assert len(operations) > 40
    for path, operation in operations:
        assert operation.get("summary"), path
        if path.startswith("/health/"):
            assert "security" not in operation
        elif path.startswith("/v1/"):
            assert operation["x-role"] in {"read", "ingest", "operate", "admin"}
            assert {"400", "401", "403", "413", "415", "422", "429", "503"} <= operation["responses"].keys()


def test_a_route_that_declares_no_role_is_no_route(monkeypatch: pytest.MonkeyPatch) -> None:
    (route,) = [one for one in notes.router.routes if getattr(one, "path", "") == "/v1/notes"]
    monkeypatch.setattr(route, "openapi_extra", None)
    with pytest.raises(RuntimeError, match="/v1/notes"):
        routes()


def test_no_request_makes_a_server_error_or_breaks_the_contract(
    stub: StartStub, document: dict[str, Any]
) -> None:
    running = stub()
    report = fuzz(document, running.url, running.admin, examples=3)
    assert report.failures == []
    assert report.server_errors == 0
    assert report.statuses[200] > 50
    assert report.statuses[422] > 50
