"""Moderation by operators on one stub service, from the first sample to the export; model versions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running
from tests.service.http.test_notes import code, ok

LATER = "2100-01-01T00:00:00Z"


@pytest.fixture
def running(stub: StartStub) -> Running:
    return stub()


@pytest.fixture
def api(running: Running) -> Iterator[httpx.Client]:
    with running.client() as client:
        yield client


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def store(api: httpx.Client, note_id: str, text: str, **more: Any) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = ok(api.post("/v1/notes", json={"id": note_id, "title": text, **more}))[
        "hits"
    ]
    return hits


def add(api: httpx.Client, category: str, text: str, **more: Any) -> int:
    sample = {"category": category, "text": text, **more}
    return int(ok(api.post("/v1/samples", json={"samples": [sample]}))["samples"][0]["id"])


def test_a_category_that_does_not_exist_gets_the_nearest(api: httpx.Client) -> None:
    ok(api.put("/v1/categories/weapons", json={}))
    hint = "there is no category 'wepons'; did you mean 'weapons'?"
    for path in ("/v1/samples", "/v1/thresholds", "/v1/matches", "/v1/reviews/export"):
        found = api.get(path, params={"category": "wepons"})
        assert (found.status_code, found.json()["error"]["message"]) == (404, hint), path
    wanted = {"category": "wepons", "target": 1}
    for method in ("volume", "precision"):
        answer = api.post("/v1/calibrations", json=wanted | {"method": method})
        assert (answer.status_code, answer.json()["error"]["message"]) == (404, hint)
    for answer in (
        api.put("/v1/thresholds", json={"category": "wepons", "value": 0.5}),
        api.post("/v1/samples", json={"samples": [{"category": "wepons", "text": "a knife"}]}),
        api.delete("/v1/categories/wepons"),
    ):
        assert answer.status_code == 404
        assert hint in answer.json()["error"]["message"]


def test_a_search_in_a_category_that_no_note_has_says_so(api: httpx.Client) -> None:
    store(api, "n1", "weapon one", category="food")

    def hint(*categories: str) -> Any:
        body = {"query": {"text": "weapon one"}, "filter": {"categories": categories}}
        return ok(api.post("/v1/search", json=body))["hint"]

    assert hint("foood") == "no note has category 'foood'; did you mean 'food'?"
    assert hint("foood", "food") is None  # there are hits
    assert hint() is None


def test_from_a_sample_to_a_verdict(api: httpx.Client) -> None:
    assert store(api, "before", "weapon old") == []
    assert ok(api.put("/v1/categories/arms%2Fguns", json={"description": "guns"}))["sampling"] == 1
    sample = add(api, "arms/guns", "weapon small", label="pistol")
    assert add(api, "arms/guns", "weapon small") == sample  # the same content is the same sample
    assert store(api, "no threshold", "weapon 1") == []
    ok(api.put("/v1/thresholds", json={"category": "arms/guns", "value": 0.8, "reason": "first guess"}))
    listed = ok(api.get("/v1/categories"))["categories"][0]
    assert (listed["name"], listed["samples"], listed["threshold"]) == ("arms/guns", 1, 0.8)

    hit = store(api, "n1", "weapon 2")[0]
    assert (hit["sample_id"], hit["category"], hit["threshold"]) == (sample, "arms/guns", 0.8)
    assert hit["score"] >= 0.8
    assert store(api, "n2", "flower red") == []
    assert store(api, "n3", "weapon 3", match_categories=[]) == []
    looked = ok(api.post("/v1/match", json={"notes": [{"title": "weapon 2"}]}))["outcomes"][0]
    assert looked["hits"] == [hit]

    ok(api.patch(f"/v1/samples/{sample}", json={"enabled": False}))
    assert store(api, "n4", "weapon 4") == []
    ok(api.patch(f"/v1/samples/{sample}", json={"enabled": True}))
    allowed = add(api, "arms/guns", "weapon toy", allow=True)
    assert store(api, "n5", "weapon toy") == []
    assert ok(api.delete(f"/v1/samples/{allowed}")) == {"deleted": True}
    assert ok(api.delete(f"/v1/samples/{allowed}")) == {"deleted": False}
    ok(api.put("/v1/categories/arms%2Fguns", json={"disabled_until": LATER}))
    assert store(api, "n6", "weapon 6") == []
    ok(api.put("/v1/categories/arms%2Fguns", json={}))
    assert store(api, "n7", "weapon 7")[0]["sample_id"] == sample


def test_an_identical_note_reaches_a_threshold_of_one(api: httpx.Client) -> None:
    ok(api.put("/v1/categories/copies", json={}))
    ok(api.put("/v1/thresholds", json={"category": "copies", "value": 1}))
    notes = [{"title": f"weapon {row}", "body": "x" * row} for row in range(20)]
    samples = [{"category": "copies", "note": note} for note in notes]
    stored = [one["id"] for one in ok(api.post("/v1/samples", json={"samples": samples}))["samples"]]
    for row, note in enumerate(notes):
        hits = ok(api.post("/v1/notes", json={"id": f"n{row}", **note}))["hits"]
        assert [(hit["sample_id"], hit["score"]) for hit in hits] == [(stored[row], 1.0)]
    job = ok(api.post("/v1/jobs", json={"sample_ids": stored}))["id"]
    until(lambda: ok(api.get(f"/v1/jobs/{job}"))["state"] == "done")
    found = ok(api.get(f"/v1/jobs/{job}/hits"))["hits"]
    assert {(hit["note_id"], hit["sample_id"], hit["score"]) for hit in found} == {
        (f"n{row}", sample, 1.0) for row, sample in enumerate(stored)
    }
    proposal = {"category": "copies", "method": "volume", "target": 20}
    assert ok(api.post("/v1/calibrations", json=proposal))["threshold"] == 1.0


def guns(api: httpx.Client, *notes: str) -> int:
    """Create a category that notes beginning with `weapon` hit, and such notes; return the sample's id."""
    ok(api.put("/v1/categories/arms%2Fguns", json={}))
    ok(api.put("/v1/thresholds", json={"category": "arms/guns", "value": 0.8, "reason": "first guess"}))
    sample = add(api, "arms/guns", "weapon small")
    for note_id in notes:
        store(api, note_id, f"weapon {note_id}")
    return sample


def test_verdicts_and_what_they_are_good_for(api: httpx.Client) -> None:
    guns(api, "n1", "n7")
    store(api, "n2", "flower red")
    queue = ok(api.get("/v1/matches", params={"category": "arms/guns"}))["matches"]
    assert [match["note_id"] for match in queue] == ["n7", "n1"]
    assert ok(api.get("/v1/matches", params={"before": queue[0]["id"]}))["matches"] == queue[1:]
    right = ok(api.post(f"/v1/matches/{queue[1]['id']}/verdict", json={"verdict": "true_positive"}))
    assert right["actor"].startswith("key:")
    ok(api.post(f"/v1/matches/{queue[0]['id']}/verdict", json={"verdict": "false_positive", "comment": ""}))
    assert ok(api.get("/v1/matches"))["matches"] == []
    assert len(ok(api.get("/v1/matches", params={"verdict": "true_positive"}))["matches"]) == 1
    assert ok(api.get("/v1/reviews/quality"))["categories"] == [
        {
            "category": "arms/guns",
            "open": 0,
            "true_positives": 1,
            "false_positives": 1,
            "unsure": 0,
            "precision": 0.5,
        }
    ]
    exported = api.get("/v1/reviews/export", params={"form": "examples"})
    assert exported.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert {"weapon n1", "weapon n7", "weapon small"} <= {line.get("text") for line in lines}

    reviewed = {"category": "arms/guns", "method": "recall", "target": 1.0, "bins": 5}
    proposal = ok(api.post("/v1/calibrations", json=reviewed))
    assert (proposal["recall"], proposal["scores"], len(proposal["histogram"]["counts"])) == (1, 2, 5)
    volume = ok(api.post("/v1/calibrations", json=reviewed | {"method": "volume", "target": 3}))
    assert volume["hits"] == 3
    given = {"scores": [0.9, 0.8, 0.7, 0.6], "labels": [True, True, False, True]}
    exact = ok(api.post("/v1/calibrations", json=reviewed | {"method": "precision"} | given))
    assert (exact["threshold"], exact["hits"], exact["precision"]) == (0.8, 2, 1)
    wrong = reviewed | {"method": "precision", "scores": [0.9]}
    assert code(api.post("/v1/calibrations", json=wrong)) == (422, "invalid")


def test_thresholds_have_a_history_and_unknown_names_are_404(api: httpx.Client) -> None:
    guns(api)
    history = ok(api.get("/v1/thresholds", params={"category": "arms/guns"}))["thresholds"]
    assert [(row["value"], row["reason"], row["version"]) for row in history] == [
        (0.8, "first guess", "stub")
    ]
    assert code(api.post("/v1/matches/999999/verdict", json={"verdict": "unsure"})) == (404, "not_found")
    assert code(api.put("/v1/thresholds", json={"category": "no", "value": 0.5})) == (404, "not_found")
    assert code(api.delete("/v1/categories/no")) == (404, "not_found")


def test_a_back_check_finds_history_and_can_be_cancelled_and_resumed(api: httpx.Client) -> None:
    for number in range(3):
        store(api, f"old-{number}", f"weapon {number}")
    store(api, "other", "flower red", kind="ad")
    ok(api.put("/v1/categories/arms", json={}))
    sample = add(api, "arms", "weapon small")
    assert code(api.post("/v1/jobs", json={"sample_ids": [sample]})) == (422, "invalid")  # no threshold
    ok(api.put("/v1/thresholds", json={"category": "arms", "value": 0.8}))
    job = ok(api.post("/v1/jobs", json={"sample_ids": [sample], "record": True}))
    assert job["total"] == 4

    def done() -> dict[str, Any] | None:
        now: dict[str, Any] = ok(api.get(f"/v1/jobs/{job['id']}"))
        return now if now["state"] == "done" else None

    finished = until(done)
    assert (finished["done"], finished["hits"], finished["error"]) == (4, 3, "")
    hits = ok(api.get(f"/v1/jobs/{job['id']}/hits", params={"limit": 2}))["hits"]
    assert [hit["note_id"] for hit in hits] == ["old-0", "old-1"]
    rest = {"after_note": "old-1", "after_sample": sample}
    assert [h["note_id"] for h in ok(api.get(f"/v1/jobs/{job['id']}/hits", params=rest))["hits"]] == ["old-2"]
    lines = api.get(f"/v1/jobs/{job['id']}/export").text.splitlines()
    assert [json.loads(line)["note_id"] for line in lines] == ["old-0", "old-1", "old-2"]
    table = api.get(f"/v1/jobs/{job['id']}/export", params={"form": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert len(table.text.splitlines()) == 4
    assert {m["source"] for m in ok(api.get("/v1/matches"))["matches"]} == {"backcheck"}
    assert code(api.post(f"/v1/jobs/{job['id']}/cancel")) == (409, "conflict")
    assert code(api.post(f"/v1/jobs/{job['id']}/resume")) == (409, "conflict")
    assert ok(api.get("/v1/jobs"))["jobs"][0]["id"] == job["id"]
    for path in ("", "/hits", "/export"):
        assert code(api.get(f"/v1/jobs/999999{path}")) == (404, "not_found")
    only_ads = {"sample_ids": [sample], "threshold": -1, "filter": {"kinds": ["ad"]}}
    ads = ok(api.post("/v1/jobs", json=only_ads))
    until(lambda: ok(api.get(f"/v1/jobs/{ads['id']}"))["state"] == "done")
    found = ok(api.get(f"/v1/jobs/{ads['id']}/hits"))["hits"]
    assert [hit["note_id"] for hit in found] == ["other"]


def test_a_model_version_is_added_filled_switched_and_rolled_back(
    running: Running, api: httpx.Client
) -> None:
    store(api, "n1", "weapon 1")
    ok(api.put("/v1/categories/arms", json={}))
    sample = add(api, "arms", "weapon small")
    ok(api.put("/v1/thresholds", json={"category": "arms", "value": 0.8}))
    for name in ("../model", "nothing-here", ".hidden", "a/b"):
        assert api.post("/v1/model-versions", json={"folder": name}).status_code == 422
    folder = running.folder / "models" / "second"
    folder.mkdir(parents=True)
    (folder / "uninote.json").write_text('{"version": "second", "rendering": 0}')
    refused = api.post("/v1/model-versions", json={"folder": "second"})
    assert code(refused) == (422, "invalid")
    assert "model 'second' has rendering 0" in refused.text
    assert "train it again" in refused.text
    assert str(running.folder) not in refused.text
    (folder / "uninote.json").write_text('{"version": "second"}')
    added = ok(api.post("/v1/model-versions", json={"folder": "second"}))
    assert (added["state"], added["missing_notes"], added["missing_samples"]) == ("loading", 1, 1)
    store(api, "n2", "weapon 2")  # written with both from now on
    path = "/v1/model-versions/second"
    assert code(api.post(f"{path}/switch", json={})) == (409, "conflict")
    ok(api.post(f"{path}/backfill"))

    def version(name: str) -> dict[str, Any]:
        listed = ok(api.get("/v1/model-versions"))["versions"]
        return next(one for one in listed if one["version"] == name)

    until(lambda: version("second")["state"] == "shadow")
    filled = until(lambda: not version("second")["backfill"]["running"] and version("second"))
    assert (filled["backfill"]["notes"], filled["backfill"]["samples"]) == (1, 1)
    assert filled["missing_thresholds"] == ["arms"]
    ok(api.put("/v1/thresholds", json={"category": "arms", "value": 0.8, "version": "second"}))
    comparison = ok(api.get("/v1/model-versions/comparison", params={"old": "stub", "new": "second"}))
    assert comparison["samples"][0]["sample_id"] == sample
    ok(api.post(f"{path}/switch", json={}))
    assert ok(api.post("/v1/search", json={"query": {"text": "weapon 1"}}))["model"] == "second"
    assert store(api, "n3", "weapon 3")[0]["sample_id"] == sample
    assert ok(api.post("/v1/model-versions/roll-back", json={"leaving": "second"}))["version"] == "stub"
    assert ok(api.post("/v1/search", json={"query": {"text": "weapon 1"}}))["model"] == "stub"
    assert code(api.delete("/v1/model-versions/stub")) == (409, "conflict")
    assert ok(api.delete(path))["state"] == "retired"
    assert version("second")["missing_notes"] == 0
