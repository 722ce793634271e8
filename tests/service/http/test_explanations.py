"""Explanations over HTTP: a match and any two items, what is refused, and what it costs."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import numpy as np
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.stub_server import vector_of
from tests.service.http.test_moderation import guns, store, until
from tests.service.http.test_notes import code, ok

from uninote.items import Item


def similarity(one: str, other: str) -> float:
    """Return the stub's cosine of two texts."""
    return float(np.float64(vector_of("stub", Item.of(one))) @ vector_of("stub", Item.of(other)))


def parts(side: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    return [(one["text"], one["contribution"], one["left"]) for one in side]


def test_a_match_and_any_two_items_are_explained(stub: StartStub) -> None:
    running = stub()
    with running.client() as api, running.client("read") as reader:
        sample = guns(api)
        store(api, "n/1", "weapon n1", body="It is red. It is new.")
        match = ok(api.get("/v1/matches"))["matches"][0]
        found = ok(reader.get(f"/v1/matches/{match['id']}/explanation"))
        assert (found["model"], found["score"]) == ("stub", pytest.approx(match["score"], abs=2e-3))
        assert [one["kind"] for one in found["query"]] == ["sentence"] * 3
        for text, contribution, left in parts(found["query"]):
            rest = "weapon n1 It is red. It is new.".replace(text, "").replace("  ", " ").strip()
            assert left == pytest.approx(similarity(rest, "weapon small"), abs=1e-5)
            assert contribution == pytest.approx(found["score"] - left, abs=2e-6)
        assert parts(found["target"]) == [("weapon small", found["score"], 0)]

        asked = {"query": {"note_id": "n/1"}, "target": {"sample_id": sample}}
        assert ok(reader.post("/v1/explanations", json=asked)) == found
        free = {"query": {"text": "weapon small"}, "target": {"note": {"title": "weapon small"}}}
        assert ok(reader.post("/v1/explanations", json=free))["score"] == pytest.approx(1, abs=1e-5)

        assert code(reader.get("/v1/matches/999999/explanation")) == (404, "not_found")
        for side in ({"note_id": "none"}, {"sample_id": 999999}):
            assert code(reader.post("/v1/explanations", json=asked | {"target": side}))[0] == 404
        for side in ({}, {"text": " "}, {"text": "a", "note_id": "n/1"}):
            assert reader.post("/v1/explanations", json=asked | {"query": side}).status_code == 422
        assert running.client("public").get(f"/v1/matches/{match['id']}/explanation").status_code == 401


def test_it_goes_by_the_version_that_matched_and_a_retired_one_gives_way(stub: StartStub) -> None:
    running = stub()
    with running.client() as api:
        guns(api, "n1")
        match = ok(api.get("/v1/matches"))["matches"][0]
        folder = running.folder / "models" / "second"
        folder.mkdir(parents=True)
        (folder / "uninote.json").write_text('{"version": "second"}')
        ok(api.post("/v1/model-versions", json={"folder": "second"}))
        ok(api.post("/v1/model-versions/second/switch", json={"force": True}))
        why = f"/v1/matches/{match['id']}/explanation"
        assert ok(api.get(why))["model"] == "stub"
        asked = {"query": {"text": "weapon"}, "target": {"note_id": "n1"}}
        assert ok(api.post("/v1/explanations", json=asked))["model"] == "second"
        ok(api.delete("/v1/model-versions/stub"))
        until(lambda: ok(api.get(why))["model"] == "second")


SENTENCES = " ".join(f"Sentence number {n}." for n in range(200))
LONG = {"query": {"text": SENTENCES}, "target": {"text": SENTENCES}}


def test_a_few_at_a_time(stub: StartStub) -> None:
    running = stub()
    (running.folder / "hold").touch()
    answers: list[httpx.Response] = []

    def ask() -> None:
        with running.client() as api:
            answers.append(api.post("/v1/explanations", json=LONG))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(answers) >= 2)
    (running.folder / "hold").unlink()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code != 200]
    assert [code(answer) for answer in refused] == [(429, "busy")] * 2
    assert all("4 explanations are under way" in answer.text for answer in refused)


def test_a_long_one_is_cut_into_passages_and_paid_for(stub: StartStub) -> None:
    running = stub(rate_per_second=0.05)
    with running.client() as api:
        found = ok(api.post("/v1/explanations", json=LONG))
        assert 25 <= len(found["query"]) <= 32
        assert " ".join(one["text"] for one in found["query"]) == SENTENCES
        refused = api.get("/v1/categories")
        assert code(refused) == (429, "busy")
        assert int(refused.headers["retry-after"]) > 60  # one request is paid for every 20 seconds


def test_a_bad_picture_is_told(stub: StartStub) -> None:
    running = stub()
    with running.client() as api:
        bad = {"query": {"pictures": [{"data": "bm90IGEgcGljdHVyZQ=="}]}, "target": {"text": "a"}}
        assert api.post("/v1/explanations", json=bad).status_code in (415, 422)
