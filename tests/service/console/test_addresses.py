"""Every result has an address: it survives Back and reload, and can be given to others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.service.console.conftest import SAMPLE_TEXT, Site, signed_in, token
from tests.service.http.conftest import StartStub
from tests.service.media.test_decode import video

HITS = "#results li.hit"


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with signed_in(site.running, "read") as client:
        yield client


def images(site: Site) -> list[Path]:
    return sorted((site.notes.parent / "images").iterdir())


def titles(page: Page) -> list[str]:
    return page.locator("#results h2").all_inner_texts()


def test_a_search_with_words_survives_reload_and_back_and_can_be_shared(
    page: Page, browser: BrowserContext
) -> None:
    page.goto("/")
    text = page.get_by_label("Text", exact=True)
    text.fill("rain & <sun> 100 %")
    page.get_by_label("Score at least").fill("-1")
    page.keyboard.press("Control+Enter")
    expect(page.locator(HITS)).to_have_count(24)
    first, found = page.url, titles(page)
    assert first.endswith("/?text=rain%20%26%20%3Csun%3E%20100%20%25&min_score=-1")
    text.fill("snow")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?text=snow*")
    page.go_back()
    page.wait_for_url(first)
    expect(text).to_have_value("rain & <sun> 100 %")
    expect(page.locator(HITS)).to_have_count(24)
    assert titles(page) == found
    page.reload()
    assert titles(page) == found
    other = browser.new_page()
    other.goto(first)
    assert titles(other) == found
    other.close()
    page.go_back()
    page.wait_for_url(lambda url: url.endswith("/"))
    expect(page.locator(HITS)).to_have_count(0)


def test_a_search_with_a_picture_survives_reload_and_back_and_explains(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_label("Pictures or a video").set_input_files(images(site)[0])
    page.get_by_role("button", name="Search").click()
    expect(page.locator(HITS)).to_have_count(24)
    found = titles(page)
    page.locator("#results h2 a").first.click()
    expect(page.get_by_role("heading", name="Matches")).to_be_visible()
    page.go_back()
    expect(page.locator(HITS)).to_have_count(24)
    assert titles(page) == found
    page.reload()
    assert titles(page) == found
    stored = page.get_by_role("img", name="picture 1 that is searched with")
    assert stored.evaluate("one => one.decode().then(() => one.naturalWidth)") > 10
    page.locator(".why summary").first.click()
    expect(page.locator(".why-panel").first.get_by_role("img", name="picture 1").first).to_be_visible()


def test_more_results_are_still_there_after_a_visit_to_a_note(page: Page) -> None:
    page.goto("/?text=rain")
    page.get_by_role("button", name="More results").click()
    expect(page.locator(HITS)).to_have_count(48)
    page.wait_for_url("**/?text=rain&pages=2")
    found = titles(page)
    assert len(set(found)) > 24
    page.locator("#results h2 a").nth(40).click()
    expect(page.get_by_role("heading", name="Matches")).to_be_visible()
    page.go_back()
    expect(page.locator(HITS)).to_have_count(48)
    assert titles(page) == found


def test_the_place_in_the_review_queue_is_there_after_a_visit_to_a_note(page: Page) -> None:
    page.goto("/console/review?category=weather")
    page.get_by_role("link", name="More matches").click()
    page.wait_for_url("**&before=*")
    last = page.locator("[data-case]").last
    name = last.get_attribute("id")
    last.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Matches")).to_be_visible()
    page.go_back()
    expect(page.locator(f"#{name}")).to_be_visible()


def test_categories_are_a_choice_with_their_numbers_of_notes(page: Page) -> None:
    page.goto("/?text=rain")
    choice = page.get_by_label("Category")
    expect(choice.locator("option")).not_to_have_count(1)
    assert "shelf 1 (1)" in choice.locator("option").all_inner_texts()
    choice.select_option("shelf 1")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?text=rain&category=shelf%201")
    expect(page.locator(HITS)).to_have_count(1)
    page.goto("/?text=rain&category=none+of+ours")
    expect(choice).to_have_value("none of ours")
    expect(page.locator("#results .empty")).to_contain_text("in this category")


def test_without_script_a_form_leads_to_the_address(client: httpx.Client, site: Site) -> None:
    form = {"form_token": token(client.get("/").text), "text": "rain", "category": ""}
    answer = client.post("/", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/?text=rain")
    answer = client.post("/", data=form, files={"files": ("x", images(site)[0].read_bytes())})
    there = answer.headers["location"]
    assert re.fullmatch(r"/\?text=rain&picture=[0-9a-f]{64}", there)
    page = client.get(there).text
    why = re.search(r'<a href="(/console/why\?[^"]+)">Explain', page)
    assert why
    assert "Searched with" in client.get(why[1].replace("&amp;", "&")).text
    after = re.search(r'name="after" value="([^"]+)"', page)
    assert after
    following = client.get(f"{there}&{urlencode({'after': after[1]})}").text
    assert following.count('<li class="card hit">') == 24


def test_a_text_that_is_too_long_for_an_address_has_one(client: httpx.Client) -> None:
    long = "下雨天的城市。" * 400
    form = {"form_token": token(client.get("/").text), "text": long}
    answer = client.post("/", data=form)
    there = answer.headers["location"]
    assert re.fullmatch(r"/\?passage=[0-9a-f]{64}", there)
    page = client.get(there)
    assert long in page.text
    assert page.text.count('<li class="card hit">') == 24


def test_a_video_is_recognised_by_its_content_and_kept(client: httpx.Client, tmp_path: Path) -> None:
    film = video(tmp_path / "film.mp4", 6)
    form = {"form_token": token(client.get("/").text)}
    answer = client.post("/", data=form, files={"files": ("film", film, "image/png")})
    assert re.fullmatch(r"/\?video=[0-9a-f]{64}", answer.headers["location"])
    page = client.get(answer.headers["location"]).text
    assert "a video" in page
    assert page.count('<li class="card hit">') == 24
    two = [("files", ("one", film)), ("files", ("two", film))]
    assert "two: one video at a time" in client.post("/", data=form, files=two).text
    cut = {"files": ("film.mp4", film[: len(film) // 2])}
    answer = client.post("/", data=form, files=cut)
    assert answer.status_code == 415
    assert "film.mp4" in answer.text


def test_a_search_whose_picture_is_gone_says_so(client: httpx.Client, site: Site) -> None:
    answer = client.get(f"/?picture={'0' * 64}")
    assert answer.status_code == 404
    assert "Search with it again" in answer.text
    assert client.get("/?picture=../etc").status_code == 422


def test_a_service_that_keeps_no_pictures_keeps_none_of_searches(stub: StartStub, site: Site) -> None:
    running = stub(keep_pictures=False)
    with running.client() as api:
        notes = [{"id": f"n{n}", "title": f"weapon {n}"} for n in range(30)]
        api.post("/v1/notes/batch", json={"notes": notes}).raise_for_status()
    with signed_in(running) as client:
        form = {"form_token": token(client.get("/").text)}
        files = {"files": ("x", images(site)[0].read_bytes())}
        page = client.post("/", data=form, files=files)
        assert page.status_code == 200
        assert "has no address" in page.text
        assert page.text.count('<li class="card hit">') == 24
        after = re.search(r'name="after" value="([^"]+)"', page.text)
        assert after
        more = client.post("/", data={**form, "after": after[1]}, files=files)
        assert more.text.count('<li class="card hit">') == 6
        why = client.post("/console/why", data={**form, "target": "n1"}, files=files)
        assert "Searched with" in why.text


def test_a_best_score_that_meaningless_searches_reach_is_told(stub: StartStub) -> None:
    running = stub()
    with running.client() as api:
        notes = [{"id": f"n{n}", "title": f"{['weapon', 'tank', 'hat'][n % 3]} {n}"} for n in range(30)]
        api.post("/v1/notes/batch", json={"notes": notes}).raise_for_status()
    with signed_in(running) as client:
        assert "Probably nothing fits" not in client.get("/?text=weapon").text
        page = client.get("/?text=qwxyz")  # the stub's vectors of unlike first words have random directions
        assert "Probably nothing fits" in page.text
        assert "Probably nothing fits" not in client.get("/?note_id=n1").text


def test_an_address_that_was_given_to_others_leads_there_after_signing_in(site: Site) -> None:
    there = "/?text=rain%20%26%20sun&pages=2"
    with httpx.Client(base_url=site.url, follow_redirects=True) as client:
        page = client.get(there)
        wanted = re.search(r'name="next" value="([^"]+)"', page.text)
        assert wanted
        sent = {"form_token": token(page.text), "key": site.running.admin, "next": unescape(wanted[1])}
        page = client.post("/console/sign-in", data=sent)
        assert str(page.url).endswith(there)
        assert page.text.count('<li class="card hit">') == 48


def test_the_searched_picture_is_for_people_who_signed_in(client: httpx.Client, site: Site) -> None:
    form = {"form_token": token(client.get("/").text), "text": SAMPLE_TEXT}
    there = client.post("/", data=form, files={"files": ("x", images(site)[3].read_bytes() + b" ")})
    digest = there.headers["location"][-64:]
    assert client.get(f"/console/pictures/{digest}").status_code == 200
    assert httpx.get(f"{site.url}/console/pictures/{digest}").status_code == 401


def test_searches_of_one_picture_are_kept_once(stub: StartStub, address: str, site: Site) -> None:
    running = stub()
    with signed_in(running) as signed:
        form = {"form_token": token(signed.get("/").text)}
        for _ in range(2):
            signed.post("/", data=form, files={"files": ("x", images(site)[0].read_bytes())})
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT kind FROM service.search_inputs").fetchall() == [("picture",)]
