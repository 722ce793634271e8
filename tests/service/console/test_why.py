"""Explanations of a match, in the review queue and in search results: in Chromium, and as plain pages."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from tests.service.console.chromium import FAINT, NAMELESS, shot
from tests.service.console.conftest import HOSTILE, SAMPLE_TEXT, Site, signed_in, token


def test_a_match_is_explained_by_the_keyboard_with_pictures_blurred(page: Page) -> None:
    page.goto("/console/review?category=pictures")
    first = page.locator("[data-case]").first
    page.keyboard.press("j")
    page.keyboard.press("w")
    panel = first.locator(".why-panel")
    expect(panel).to_contain_text("cosine")
    expect(first).to_be_focused()  # asking why is no verdict: the next case does not come
    picture = panel.locator(".thumb img").first
    expect(picture).to_have_css("filter", "blur(18px)")
    assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") > 10
    page.keyboard.press("b")
    expect(picture).to_have_css("filter", "none")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []
    shot(page, "why")
    page.keyboard.press("w")
    expect(panel).to_be_hidden()


def test_a_result_is_explained(page: Page, site: Site) -> None:
    page.goto("/")
    page.get_by_label("Text", exact=True).fill(SAMPLE_TEXT)
    page.get_by_label("Pictures or a video").set_input_files(
        sorted((site.notes.parent / "images").iterdir())[0]
    )
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results li.hit")).to_have_count(24)
    page.get_by_role("button", name="More results").click()
    expect(page.locator("#results li.hit")).to_have_count(48)
    for place in (0, 30):
        hit = page.locator("#results li.hit").nth(place)
        hit.locator(".why summary").focus()
        page.keyboard.press("Enter")
        searched = hit.locator(".why-sides section").first
        expect(searched).to_contain_text(SAMPLE_TEXT)
        expect(searched.get_by_role("img", name="picture 1")).to_be_visible()  # a note has it, too
        expect(hit.locator(".why-sides section").nth(1).locator("tbody tr").first).to_be_visible()
    shot(page, "search-why")


def test_without_script_there_are_pages(site: Site) -> None:
    with signed_in(site.running, "read") as client:
        queue = client.get("/console/review?category=weather").text
        link = re.search(r'href="(/console/review/\d+/why)"', queue)
        assert link
        why = client.get(link[1])
        assert why.status_code == 200
        assert re.search(r"<h3>Sample</h3>.*heavy rain in the streets", why.text, re.DOTALL)
        assert re.search(r'<td class="number">[+-]\d\.\d{3}</td>', why.text)
        assert '<rect class="bar hit"' in why.text
        form = {"form_token": token(client.get("/").text), "text": HOSTILE, "target": HOSTILE}
        found = client.post("/console/why", data=form)
        assert found.status_code == 200
        assert "<html" in found.text
        assert "<script>window" not in found.text
        assert "&lt;script&gt;window.hacked=1" in found.text
        fragment = client.post("/console/why", data=form, headers={"HX-Request": "true"})
        assert "<html" not in fragment.text
        assert client.post("/console/why", data=form | {"target": "none of ours"}).status_code == 404
        assert client.post("/console/why", data=form | {"target": ""}).status_code == 422
        assert client.get("/console/review/999999/why").status_code == 404
