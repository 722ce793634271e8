"""Forms that would overwrite what is there: refused, with the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from tests.service.console.conftest import signed_in, token
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running


@pytest.fixture
def running(stub: StartStub) -> Running:
    return stub()


@pytest.fixture
def api(running: Running) -> Iterator[httpx.Client]:
    with running.client() as api:
        settings = {"description": "umbrellas", "enabled": False, "sampling": 0.25}
        api.put("/v1/categories/spam", json=settings).raise_for_status()
        yield api


@pytest.fixture
def client(running: Running) -> Iterator[httpx.Client]:
    with signed_in(running) as client:
        yield client


def settings(api: httpx.Client) -> dict[str, object]:
    (one,) = api.get("/v1/categories").raise_for_status().json()["categories"]
    return {name: one[name] for name in ("name", "description", "enabled", "sampling", "disabled_until")}


def form_at(page: str, action: str) -> dict[str, str]:
    """Return the fields of a form as a browser would send them, unchecked boxes left out."""
    form = page[page.index(f'method="post" action="{action}"') :]
    fields = {}
    form = form[: form.index("</form>")]
    for name, value in re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>([^<]*)<', form):
        fields[name] = unescape(value).replace("\n", "\r\n")
    for field in re.findall(r"<input [^>]*>", form):
        given = {name: unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', field)}
        if given.get("type") != "checkbox" or re.search(r"\schecked\b", field):
            fields[given["name"]] = given.get("value", "")
    return fields


@pytest.mark.parametrize("name", ["spam", "Spam", " SPAM "])
def test_a_new_category_does_not_overwrite_one(client: httpx.Client, api: httpx.Client, name: str) -> None:
    before = settings(api)
    form = {"form_token": token(client.get("/").text), "name": name, "description": "mine"}
    for headers in ({}, {"HX-Request": "true"}):
        refused = client.post("/console/gallery", data=form, headers=headers)
        assert refused.status_code == 409
        assert 'href="/console/samples?category=spam"' in refused.text
        assert "exists already" in refused.text
    assert settings(api) == before


def test_settings_keep_what_the_form_does_not_show(client: httpx.Client, api: httpx.Client) -> None:
    until = "2100-01-01T00:00:00Z"
    given = {"description": "umbrellas", "enabled": True, "disabled_until": until, "sampling": 0.25}
    api.put("/v1/categories/spam", json=given).raise_for_status()
    page = client.get("/console/samples", params={"category": "spam"}).text
    form = form_at(page, "/console/gallery/settings")
    assert client.post("/console/gallery/settings", data=form).status_code == 303
    assert settings(api) == {"name": "spam", **given}
    form.pop("stay_off")
    assert client.post("/console/gallery/settings", data=form).status_code == 303
    assert settings(api) == {"name": "spam", **given, "disabled_until": None}


def test_names_and_descriptions_keep_their_spaces(client: httpx.Client, api: httpx.Client) -> None:
    api.delete("/v1/categories/spam").raise_for_status()
    given = {"description": " two\nlines  here", "enabled": True, "sampling": 0.5}
    api.put("/v1/categories/a%20%20b", json=given).raise_for_status()
    page = client.get("/console/samples", params={"category": "a  b"}).text
    form = form_at(page, "/console/gallery/settings") | {"sampling": "0.75"}
    form["seen_description"] = form["seen_description"].replace("\n", "\r\n")  # as a browser does
    assert client.post("/console/gallery/settings", data=form).status_code == 303
    assert settings(api)["description"] == "two\nlines  here"
    assert settings(api)["sampling"] == 0.75
    for page in ("/console/jobs", "/console/review", "/console/thresholds"):
        assert '<option value="a  b"' in client.get(page).text
    assert api.put("/v1/categories/%20new", json={}).status_code == 422


def test_old_settings_do_not_overwrite_newer_ones(client: httpx.Client, api: httpx.Client) -> None:
    page = client.get("/console/samples", params={"category": "spam"}).text
    form = form_at(page, "/console/gallery/settings") | {"description": "mine"}
    api.put("/v1/categories/spam", json={"description": "theirs"}).raise_for_status()
    newer = settings(api)
    refused = client.post("/console/gallery/settings", data=form)
    assert refused.status_code == 409
    assert "theirs" in refused.text
    assert settings(api) == newer
    again = form | {"description": "theirs", "enabled": "yes", "sampling": "1"}
    assert client.post("/console/gallery/settings", data=again).status_code == 303  # in force already
    api.delete("/v1/categories/spam").raise_for_status()
    assert client.post("/console/gallery/settings", data=form).status_code == 404
    assert api.get("/v1/categories").json()["categories"] == []


def test_an_old_threshold_form_does_not_overwrite_a_newer_value(
    client: httpx.Client, api: httpx.Client
) -> None:
    page = client.get("/console/thresholds", params={"category": "spam"}).text
    form = form_at(page, "/console/thresholds") | {"category": "spam", "value": "0.9"}
    api.put("/v1/thresholds", json={"category": "spam", "value": 0.7}).raise_for_status()
    refused = client.post("/console/thresholds", data=form)
    assert refused.status_code == 409
    assert "0.7 is in force, not none; 0.9 was not saved" in refused.text
    page = client.get("/console/thresholds", params={"category": "spam"}).text
    form |= form_at(page, "/console/thresholds") | {"value": "0.9"}
    assert client.post("/console/thresholds", data=form).status_code == 303
    history = api.get("/v1/thresholds", params={"category": "spam"}).json()["thresholds"]
    assert [one["value"] for one in history] == [0.9, 0.7]


def test_a_sample_that_is_there_is_named(client: httpx.Client, api: httpx.Client) -> None:
    form = {"form_token": token(client.get("/").text), "category": "spam", "text": "snow", "label": "white"}
    for _ in range(2):
        assert client.post("/console/samples", data=form).status_code == 303
    refused = client.post("/console/samples", data=form | {"label": "black"})
    assert refused.status_code == 409
    (sample,) = api.get("/v1/samples").json()["samples"]
    assert f"This content is sample {sample['id']} (white) here already" in refused.text
    assert sample["label"] == "white"
    api.patch(f"/v1/samples/{sample['id']}", json={"enabled": False}).raise_for_status()
    assert "switched off" in client.post("/console/samples", data=form).text


def test_a_put_says_what_it_replaces(api: httpx.Client) -> None:
    path = "/v1/categories/spam"
    replaced = api.put(path, json={"description": "new"}).raise_for_status().json()
    assert (replaced["status"], replaced["before"]["description"]) == ("replaced", "umbrellas")
    assert (replaced["before"]["enabled"], replaced["before"]["sampling"]) == (False, 0.25)
    again = api.put(path, json={"description": "new"}).raise_for_status().json()
    assert (again["status"], again["created"]) == ("unchanged", replaced["created"])
    refused = api.put(path, json={}, headers={"If-None-Match": "*"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "precondition_failed")
    assert settings(api)["description"] == "new"
    alike = api.put("/v1/categories/SPAM", json={})
    assert (alike.status_code, alike.json()["error"]["code"]) == (409, "conflict")
    made = api.put("/v1/categories/scam", json={}, headers={"If-None-Match": "*"}).raise_for_status().json()
    assert (made["status"], made["before"]) == ("created", None)


def test_a_threshold_of_the_api_can_name_the_one_it_replaces(api: httpx.Client) -> None:
    body = {"category": "spam", "value": 0.7}
    made = api.put("/v1/thresholds", json=body | {"replaces": None}).raise_for_status().json()
    assert (made["status"], made["before"]) == ("created", None)
    again = api.put("/v1/thresholds", json=body | {"replaces": None}).raise_for_status().json()
    assert (again["id"], again["status"], again["before"]) == (made["id"], "unchanged", 0.7)
    assert api.put("/v1/thresholds", json=body | {"value": 0.8, "replaces": None}).status_code == 409
    assert api.put("/v1/thresholds", json=body | {"value": 0.8, "replaces": 0.6}).status_code == 409
    put = api.put("/v1/thresholds", json=body | {"value": 0.8, "replaces": 0.7}).raise_for_status().json()
    assert (put["status"], put["before"]) == ("replaced", 0.7)


def test_samples_say_which_were_there(api: httpx.Client) -> None:
    def add(text: str) -> dict[str, list[object]]:
        sample = {"category": "spam", "text": text, "label": "again"}
        answer: dict[str, list[object]] = (
            api.post("/v1/samples", json={"samples": [sample]}).raise_for_status().json()
        )
        return answer

    first = add("snow")
    assert first["known"] == []
    assert add("snow")["known"] == [first["samples"][0]["id"]]  # type: ignore[index]


def test_verdicts_of_the_api_are_written_once_and_undone(api: httpx.Client) -> None:
    api.put("/v1/categories/arms", json={}).raise_for_status()
    api.put("/v1/thresholds", json={"category": "arms", "value": 0.5}).raise_for_status()
    api.post("/v1/samples", json={"samples": [{"category": "arms", "text": "weapon"}]}).raise_for_status()
    for number in range(3):
        api.post("/v1/notes", json={"id": f"n{number}", "title": f"weapon {number}"}).raise_for_status()

    def listed(**params: str | int | float) -> list[dict[str, float]]:
        found: list[dict[str, float]] = (
            api.get("/v1/matches", params=params).raise_for_status().json()["matches"]
        )
        return found

    best = listed(order="score")
    assert [one["score"] for one in best] == sorted((one["score"] for one in listed()), reverse=True)
    rest = listed(order="score", before=best[0]["id"], before_score=best[0]["score"])
    assert rest == best[1:]
    for wrong in ({"order": "score", "before": 1}, {"before_score": 0.5}):
        assert api.get("/v1/matches", params=wrong).status_code == 422
    for order in ("score", "newest"):
        unknown = api.get("/v1/matches", params={"order": order, "category": "arm"})
        assert (unknown.status_code, "'arms'" in unknown.text) == (404, True)
    path = f"/v1/matches/{best[0]['id']}/verdict"
    given = [api.post(path, json={"verdict": "true_positive"}).raise_for_status().json() for _ in range(3)]
    assert given[0] == given[1] == given[2]
    undo = f"/v1/reviews/{given[0]['id']}/undo"
    undone = [api.post(undo).raise_for_status().json() for _ in range(2)]
    assert undone[0] == undone[1]
    assert (undone[0]["verdict"], undone[0]["undoes"]) == ("withdrawn", given[0]["id"])
    assert len(listed()) == 3
    assert api.post("/v1/reviews/999/undo").status_code == 404
