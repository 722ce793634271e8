"""Messages of refused requests: sentences that name the field, without a validator's inner words."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.wrong import Requests, is_plain

from uninote.service.http.app import routes


def related(field: str, where: str) -> bool:
    """Return whether a message about `where` is one about the wrong field, or about what it is a part of."""
    return field.startswith(where) or where.startswith(field)


@pytest.mark.slow
def test_every_wrong_field_of_every_route_is_answered_in_plain_words(stub: StartStub) -> None:
    running = stub()
    seen: Counter[int] = Counter()
    bad: dict[str, str] = {}
    with running.client() as client:
        for one in Requests(routes().openapi()):
            headers = {"Content-Type": "application/json"} if one.body is not None else {}
            url = f"{one.path}?{one.query}" if one.query else one.path
            answer = client.request(one.method, url, content=one.body, headers=headers | dict(one.headers))
            seen[answer.status_code] += 1
            if answer.status_code < 400:
                continue
            error = answer.json()["error"]
            messages = [error["message"], *(problem["message"] for problem in error["problems"])]
            told = f"{one.method} {one.path} {one.field} {(one.body or b'')[:60]!r} {one.query[:60]}"
            for message in messages:
                if not is_plain(message):
                    bad[message[:300]] = told
            if answer.status_code >= 500 or (
                error["problems"] and not related(one.field, error["problems"][0]["where"])
            ):
                bad[f"{answer.status_code} {error['message']}"] = told
    assert not bad, "\n".join(f"{message}  <- {request}" for message, request in bad.items())
    assert seen[422] > 1000


def test_a_body_that_cannot_be_read_says_why(stub: StartStub) -> None:
    with stub().client() as client:
        for body, told in (
            (b'{"query": }', "it is no JSON at character 11"),
            (b'{"a": "\xff"}', "it is no text in UTF-8 at byte 8"),
            (b"[" * 100_000, "it is nested too deeply"),
            (b'{"k": ' + b"9" * 5000 + b"}", "a number has too many digits"),
            (b"", "body: is missing"),
        ):
            answer = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
            assert told in answer.json()["error"]["message"]
