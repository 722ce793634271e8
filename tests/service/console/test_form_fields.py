"""Fields of forms: wrong ones are named in plain words."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.routing import APIRoute
from tests.service.console.conftest import signed_in, token
from tests.service.http.conftest import StartStub
from tests.service.http.wrong import is_plain

from uninote.service.console.app import ROUTERS
from uninote.service.console.forms import checked
from uninote.service.errors import InvalidError
from uninote.service.schemas.gallery import SampleIn
from uninote.service.schemas.search import SearchRequest


@pytest.mark.parametrize(
    ("kind", "fields", "says"),
    [
        (SearchRequest, {"query": {"text": "a"}, "min_score": 7.0}, "min_score: must be at most 1"),
        (SearchRequest, {"query": {"sample_id": 1.5}}, "query.sample_id: must be a whole number"),
        (
            SearchRequest,
            {"query": {}},
            "query: a query has exactly one of: text, pictures",
        ),
        (SampleIn, {"category": "", "text": "a"}, "category: must not be empty"),
        (SampleIn, {"category": "a"}, "a sample has exactly one of: text, pictures and video together; note"),
    ],
)
def test_a_wrong_field_is_named(kind: Any, fields: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError) as refused:
        checked(kind, **fields)
    assert str(refused.value).startswith(says)


FIELDS = (
    *("after", "category", "comment", "description", "enabled", "folder", "id", "key", "label", "min_score"),
    *("name", "next", "note_id", "reason", "sample_id", "sampling", "target", "text", "threshold", "value"),
    *("verdict", "version", "yes"),
)
LETTERS = ("x", "-1", "1.5", "nan", "9" * 40, "a\x00b", "y" * 5000, "é")


@pytest.mark.slow
def test_every_wrong_field_of_every_page_is_told_in_plain_words(stub: StartStub) -> None:
    running = stub()
    bad: dict[str, str] = {}
    told = 0
    with signed_in(running) as client:
        sent = {"form_token": token(client.get("/").text)}
        for route in (route for router in ROUTERS for route in router.routes):
            assert isinstance(route, APIRoute)
            if "sign" in route.path:
                continue
            for text in LETTERS:
                path = re.sub(r"\{[^}]*\}", quote(text, safe=""), route.path)
                if "GET" in (route.methods or ()):
                    named = [one.alias for one in route.dependant.query_params]
                    answers = [client.get(path, params={name: text}) for name in named] or [client.get(path)]
                else:
                    answers = [client.post(path, data=dict.fromkeys(FIELDS, text) | sent)]
                for answer in answers:
                    shown = re.findall(r'class="problem"[^>]*(?<!hidden)>(.*?)</p>', answer.text, re.DOTALL)
                    told += len(shown)
                    for one in shown:
                        message = " ".join(unescape(re.sub(r"<[^>]*>", " ", one)).split())
                        if answer.status_code >= 500 or not is_plain(message):
                            bad[f"{answer.status_code} {message[:300]}"] = f"{route.path} {text[:20]!r}"
    assert not bad, "\n".join(f"{message}  <- {request}" for message, request in bad.items())
    assert told > 20
