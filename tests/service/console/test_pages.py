"""Every page over HTTP: sessions, forged forms, hostile text, roles, paging."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import quote

import httpx
import pytest
from tests.service.console.conftest import HOSTILE, SAMPLE_TEXT, Site, signed_in, token

from uninote.service.console.app import ROUTERS
from uninote.service.http.access import access_of
from uninote.service.roles import ROLES

ROUTES = [
    (method, route.path, role)
    for router in ROUTERS
    for route, role in access_of(router.routes)
    for method in sorted(route.methods or ())
]
PAGES = (
    "/",
    f"/?text={quote(SAMPLE_TEXT)}",
    f"/?note_id={quote(HOSTILE)}",
    f"/console/note?id={quote(HOSTILE)}",
    "/console/review",
    f"/console/review?category={quote(HOSTILE)}",
    "/console/gallery",
    f"/console/samples?category={quote(HOSTILE)}",
    "/console/thresholds",
    f"/console/thresholds?category={quote(HOSTILE)}",
    f"/console/thresholds?category=weather&method={quote(HOSTILE)}&target={quote(HOSTILE)}",
    "/console/jobs",
    "/console/versions",
    f"/console/review?verdict=unsure&category={quote(HOSTILE)}",
    "/console/health",
)


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with signed_in(site.running) as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_escapes_what_others_wrote(client: httpx.Client, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200, answer.text
    assert "<script>window" not in answer.text
    assert "<img src=x" not in answer.text
    assert not re.findall(r"<script(?![^>]* src=)", answer.text)
    assert not re.findall(r"\s(on\w+|style)=\"", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_hostile_text_is_shown_as_it_was_written(client: httpx.Client) -> None:
    page = client.get("/console/note", params={"id": HOSTILE}).text
    assert "&lt;script&gt;window.hacked=1&lt;/script&gt;" in page
    assert "{{7*7}}" in page


def test_the_key_is_in_no_page_and_no_cookie(site: Site, client: httpx.Client) -> None:
    secret = site.running.admin.split("_", 2)[2]
    assert not [name for name, value in client.cookies.items() if secret in value]
    assert secret not in "".join(client.get(page).text for page in PAGES)
    assert secret not in site.running.log_file.read_text()
    with httpx.Client(base_url=site.url) as fresh:
        first = fresh.get("/console/sign-in")
        sent = {"form_token": token(first.text), "key": site.running.admin}
        cookies = fresh.post("/console/sign-in", data=sent).headers.get_list("set-cookie")
    session = next(one for one in cookies if one.startswith("uninote_session="))
    assert "HttpOnly" in session
    assert "SameSite=strict" in session


def test_without_a_session_there_is_only_the_sign_in_page(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        tried = 0
        for method, pattern, role in ROUTES:
            if role == "public":
                continue
            answer = client.request(method, re.sub(r"\{[^}]+\}", "1", pattern))
            sent_away = answer.status_code == 303 and "/console/sign-in" in answer.headers["location"]
            assert sent_away or answer.status_code == 401, (method, pattern, answer.status_code)
            tried += 1
        assert tried > 20
        api = client.get("/v1/categories", headers={"Cookie": "uninote_session=1"})
        assert api.status_code == 401


@pytest.mark.parametrize("role", ["read", "ingest"])
def test_no_role_does_more_here_than_in_the_api(site: Site, role: str) -> None:
    with signed_in(site.running, role) as client:
        form_token = token(client.get("/").text)
        assert client.get("/console/gallery").status_code == 200
        for method, pattern, needed in ROUTES:
            if needed == "public" or ROLES.index(role) >= ROLES.index(needed):
                continue
            path = re.sub(r"\{[^}]+\}", "1", pattern)
            answer = client.request(method, path, data={"form_token": form_token})
            assert answer.status_code == 403, (method, pattern)
        assert 'action="/console/gallery"' not in client.get("/console/gallery").text


def test_a_form_without_its_token_changes_nothing(site: Site, client: httpx.Client) -> None:
    with signed_in(site.running, "operate") as other:
        foreign = token(other.get("/").text)
    own = token(client.get("/").text)
    tries: list[tuple[dict[str, str], dict[str, str]]] = [
        ({}, {}),
        ({"form_token": "0" * 64}, {}),
        ({"form_token": foreign}, {}),
        ({"form_token": own}, {"Sec-Fetch-Site": "cross-site"}),
    ]
    for method, pattern, _ in ROUTES:
        if method == "POST":
            for fields, headers in tries:
                path = re.sub(r"\{[^}]+\}", "1", pattern)
                answer = client.post(path, data={"name": "forged", **fields}, headers=headers)
                assert answer.status_code == 403, (pattern, fields, headers)
    assert "forged" not in client.get("/console/gallery").text


def test_a_session_that_is_forged_old_or_of_a_revoked_key_is_none(site: Site, client: httpx.Client) -> None:
    good = client.cookies["uninote_session"]
    prefix, ends, rest, mac = good.split(".")
    forged = (
        f"{prefix}.{int(ends) + 60}.{rest}.{mac}",
        f"{prefix}.{ends}.{rest}.{mac[::-1]}",
        f"{'0' * 12}.{ends}.{rest}.{mac}",
        f"{prefix}.1.{rest}.{mac}",
        "",
        site.running.admin,
    )
    for cookie in forged:
        answer = httpx.get(f"{site.url}/console/gallery", headers={"Cookie": f"uninote_session={cookie}"})
        assert answer.status_code == 303, cookie
    with site.running.client() as api:
        made = api.post("/v1/keys", json={"name": "short", "role": "read"}).json()
        site.running.keys["short"] = made["key"]
        with signed_in(site.running, "short") as short:
            assert short.get("/console/gallery").status_code == 200
            api.delete(f"/v1/keys/{made['prefix']}").raise_for_status()
            assert short.get("/console/gallery").status_code == 303


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/v1/keys"])
def test_signing_in_leads_to_a_page_of_ours(site: Site, target: str) -> None:
    with httpx.Client(base_url=site.url) as client:
        form_token = token(client.get("/console/sign-in").text)
        sent = {"form_token": form_token, "key": site.running.admin, "next": target}
        assert client.post("/console/sign-in", data=sent).headers["location"] == "/"


def test_a_search_with_a_long_text_is_there_again_after_signing_in(site: Site) -> None:
    address = f"/?text={'%20rain' * 570}&category={'x' * 200}"
    with httpx.Client(base_url=site.url) as client:
        led = client.get(client.get(address).headers["location"])
        assert led.status_code == 200
        sent = {
            "form_token": token(led.text),
            "key": site.running.admin,
            "next": unescape(re.search('name="next" value="([^"]*)"', led.text)[1]),  # type: ignore[index]
        }
        assert client.post("/console/sign-in", data=sent).headers["location"] == address


def test_a_wrong_key_is_told_and_begins_nothing(site: Site) -> None:
    with httpx.Client(base_url=site.url) as client:
        form_token = token(client.get("/console/sign-in").text)
        answer = client.post("/console/sign-in", data={"form_token": form_token, "key": "un_nonsense"})
        assert answer.status_code == 401
        assert "unknown or revoked" in answer.text
        assert "uninote_session" not in client.cookies


def test_results_go_on_page_by_page_without_gap_or_repetition(client: httpx.Client) -> None:
    form = {"text": SAMPLE_TEXT}
    seen: list[str] = []
    for _ in range(10):
        page = client.get("/", params=form, headers={"HX-Request": "true"}).text
        seen += re.findall(r'<h2><a href="/console/note\?id=([^"]+)"', page)
        after = re.search(r'name="after" value="([^"]+)"', page)
        if not after:
            break
        form["after"] = after[1].replace("&lt;", "<").replace("&gt;", ">").replace("&#34;", '"')
    assert (
        len(seen) == len(set(seen)) == 58
    )  # 30 of the sample, 25 of the rain, a hostile one, 2 with a picture


def test_a_bad_field_is_told_in_the_page(client: httpx.Client) -> None:
    form = {"form_token": token(client.get("/").text)}
    for more in (
        {},
        {"text": "a", "min_score": "7"},
        {"note_id": "none of ours"},
        {"text": "a", "after": "x"},
    ):
        answer = client.post("/", data={**form, **more}, headers={"HX-Request": "true"})
        assert answer.status_code in (404, 422), more
        assert 'class="problem"' in answer.text
        assert "<html" not in answer.text
    files = {"files": ("bad.png", b"not a picture", "image/png")}
    assert client.post("/", data=form, files=files).status_code in (415, 422)
    assert client.get("/console/nowhere").status_code == 404
    assert client.post("/console/jobs", json={}).status_code == 415


def test_a_threshold_is_proposed_shown_and_put_in_force(client: httpx.Client) -> None:
    asked = {"category": "weather", "method": "volume", "target": "10"}
    page = client.get("/console/thresholds", params=asked).text
    proposed = re.search(r"Proposed: <strong>([\d.]+)</strong>: (\d+) hits", page)
    assert proposed
    assert int(proposed[2]) <= 10
    assert page.count('<rect class="bar') > 5
    form = {"form_token": token(page), "category": "weather", "value": proposed[1], "reason": "volume 10"}
    assert client.post("/console/thresholds", data=form).status_code == 303
    after = client.get("/console/thresholds", params={"category": "weather"}).text
    assert f"{proposed[2]} of 58 notes reach it" in after
    form["value"] = "0.5"
    client.post("/console/thresholds", data=form)


def test_a_category_and_its_sample_are_made_changed_and_deleted(client: httpx.Client) -> None:
    form = {"form_token": token(client.get("/").text), "name": "made here", "enabled": "yes"}
    page = client.post("/console/gallery", data=form, follow_redirects=True)
    assert "No sample yet." in page.text
    sample = {"form_token": form["form_token"], "category": "made here", "text": "snow", "label": "white"}
    page = client.post("/console/samples", data=sample, follow_redirects=True)
    found = re.search(r'action="/console/samples/(\d+)"', page.text)
    assert found
    off = {"form_token": form["form_token"], "enabled": "no"}
    page = client.post(f"/console/samples/{found[1]}", data=off, follow_redirects=True)
    assert "Switch on" in page.text
    assert client.post("/console/gallery/delete", data=form).status_code == 303
    assert client.get("/console/samples", params={"category": "made here"}).status_code == 404
