"""Pages of search results and of lists: together they are the whole, and each says whether more follow."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.test_moderation import add, guns, until
from tests.service.http.test_notes import code, ok


@pytest.fixture
def api(stub: StartStub) -> Iterator[httpx.Client]:
    with stub().client() as client:
        yield client


def found(api: httpx.Client, **body: Any) -> list[list[tuple[str, float]]]:
    """Return the hits of every page of a search."""
    pages, after = [], None
    while True:
        answer = ok(api.post("/v1/search", json={**body, "after": after}))
        pages.append([(hit["note_id"], hit["score"]) for hit in answer["hits"]])
        after = answer["next"]
        if after is None:
            return pages


def test_the_pages_of_a_search_are_the_whole_result(api: httpx.Client) -> None:
    notes = [{"id": f"n{row}", "title": f"weapon {row}", "kind": f"k{row % 2}"} for row in range(9)]
    notes += [{"id": f"twin|{row}\u0001\\ 𝄞{'é' * 400}", "title": "weapon 3"} for row in range(4)]
    ok(api.post("/v1/notes/batch", json={"notes": notes}))
    query = {"query": {"note_id": "n3"}}
    (whole,) = found(api, **query, k=1000)
    assert len(whole) == 13
    assert [score for _, score in whole[:5]] == [1.0] * 5  # the note itself and its twins
    half = whole[6][1]
    few = [hit for hit in whole if hit[1] >= half]
    for body, expected in (
        ({}, whole),
        ({"min_score": -1}, whole),
        ({"min_score": half}, few),
        ({"min_score": 1}, whole[:5]),
        ({"filter": {"kinds": ["k1"]}}, [hit for hit in whole if hit[0][1] in "1357"]),
    ):
        for k in (1, 3, len(expected), len(expected) + 1):
            pages = found(api, **query, **body, k=k)
            assert [hit for page in pages for hit in page] == expected, (body, k)
            assert [len(page) for page in pages[:-1]] == [k] * (len(pages) - 1)
            assert len(pages[-1]) > 0
    assert found(api, **query, min_score=0.5, filter={"kinds": ["none"]}) == [[]]


def test_a_place_that_is_none_is_refused(api: httpx.Client) -> None:
    ok(api.post("/v1/notes/batch", json={"notes": [{"id": f"n{row}", "title": "a"} for row in range(3)]}))
    first = {"query": {"note_id": "n1"}, "k": 1}
    place = ok(api.post("/v1/search", json=first))["next"]
    written = json.loads(base64.urlsafe_b64decode(place))

    def refused(*changed: Any) -> tuple[int, str]:
        text = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode()
        return code(api.post("/v1/search", json={**first, "after": text}))

    assert refused(*written[:2], "an older model", written[3]) == (409, "conflict")
    for after in ("", "x", "é", "W10=", place[:-4]):
        assert code(api.post("/v1/search", json={**first, "after": after})) == (422, "invalid"), after
    for changed in (
        (2.0, *written[1:]),
        (10**400, *written[1:]),
        ("a", *written[1:]),
        (0.5, "\0", *written[2:]),
        (0.5,),
    ):
        assert refused(*changed) == (422, "invalid"), changed
    for other in ({"query": {"note_id": "n2"}}, {"filter": {"kinds": ["k"]}}, {"min_score": 0.1}):
        assert code(api.post("/v1/search", json={**first, **other, "after": place})) == (422, "invalid"), (
            other
        )
    assert ok(api.post("/v1/search", json={**first, "after": place}))["hits"][0]["note_id"] == "n1"


def test_every_list_says_whether_more_follow(api: httpx.Client) -> None:
    sample = guns(api, "n1", "n2", "n3")
    for text in ("weapon big", "weapon long"):
        add(api, "arms/guns", text)
    for value in (0.7, 0.8):
        ok(api.put("/v1/thresholds", json={"category": "arms/guns", "value": value}))
    wanted = ({}, {"threshold": 0.5}, {"threshold": 0.6})  # an equal job that is open would be the same one
    jobs = [ok(api.post("/v1/jobs", json={"sample_ids": [sample], **one}))["id"] for one in wanted]
    until(lambda: ok(api.get(f"/v1/jobs/{jobs[0]}"))["state"] == "done")

    def pages(path: str, name: str, **given: Any) -> list[Any]:
        """Return all rows, asked for two at a time as the schema says."""
        rows: list[Any] = []
        while True:
            answer = ok(api.get(path, params={**given, "limit": 2}))
            rows += answer[name]
            if not answer["more"]:
                return rows
            assert len(answer[name]) == 2
            last = rows[-1]
            if name == "hits":
                given |= {"after_note": last["note_id"], "after_sample": last["sample_id"]}
            else:
                given |= {"after" if name == "samples" else "before": last["id"]}

    for path, name, given in (
        ("/v1/matches", "matches", {}),
        ("/v1/samples", "samples", {}),
        ("/v1/thresholds", "thresholds", {"category": "arms/guns"}),
        ("/v1/jobs", "jobs", {}),
        (f"/v1/jobs/{jobs[0]}/hits", "hits", {}),
        ("/v1/audit", "entries", {"action": "threshold.put"}),
    ):
        whole = ok(api.get(path, params=given))
        assert whole["more"] is False, path
        assert len(whole[name]) == 3, path
        assert pages(path, name, **given) == whole[name], path
        exact = ok(api.get(path, params={**given, "limit": 3}))
        assert exact["more"] is False, path
