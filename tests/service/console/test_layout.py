"""Every page at the width of a phone, a tablet and a desk, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.service.console.chromium import FAINT, NAMELESS, quiet_page, shot
from tests.service.console.conftest import HOSTILE, SAMPLE_TEXT, Site
from tests.service.console.layout import LAYOUT

SIZES = {"phone": (390, 844), "tablet": (768, 1024), "desk": (1440, 900)}
LONG = "Donaudampfschifffahrtsgesellschaftskapitänsmützenverordnung" * 3
PAGES = {
    "home": "/",
    "results": f"/?text={quote(SAMPLE_TEXT)}",
    "nothing": "/?text=zxqwv%20plmokn",
    "by-note": f"/?note_id={quote(LONG)}",
    "review": "/console/review",
    "gallery": "/console/gallery",
    "samples": "/console/samples?category=weather",
    "hostile": f"/console/samples?category={quote(HOSTILE)}",
    "thresholds": "/console/thresholds?category=weather&method=volume&target=10",
    "jobs": "/console/jobs",
    "job": "/console/jobs/{job}",
    "versions": "/console/versions",
    "health": "/console/health",
    "note": f"/console/note?id={quote(LONG)}",
    "problem": "/console/nowhere",
}


@pytest.fixture(scope="module")
def job(site: Site) -> int:
    """A job with hits; a note of long words, and a category with a long name."""
    with site.running.client() as api:
        note = {"id": LONG, "title": LONG, "body": SAMPLE_TEXT, "tags": [LONG]}
        api.post("/v1/notes", json=note).raise_for_status()
        api.put(f"/v1/categories/{LONG}", json={"description": LONG}).raise_for_status()
        (sample,) = api.get("/v1/samples", params={"category": "weather", "limit": 1}).json()["samples"]
        made = api.post("/v1/jobs", json={"sample_ids": [sample["id"]], "threshold": 0.4, "record": True})
        return int(made.raise_for_status().json()["id"])


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    with quiet_page(browser) as page:
        yield page


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_can_be_read(browser: BrowserContext, job: int, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page()  # Chromium itself reports the 404 of the page with a problem
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for name, address in PAGES.items():
        page.goto(address.format(job=job))
        for question in (LAYOUT, FAINT, NAMELESS):
            assert page.evaluate(question) == [], (name, size, scheme)
        if details := page.locator("main details:not(.why) > summary").all():
            for one in details:
                one.click()
            assert page.evaluate(LAYOUT) == [], (name, size, scheme, "opened")
        shot(page, f"{name}-{size}")
    page.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("address", [PAGES["results"], PAGES["review"]])
def test_an_opened_explanation_stays_where_it_was_opened(page: Page, size: str, address: str) -> None:
    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    summary = page.locator("[data-why] > summary").nth(2)
    summary.scroll_into_view_if_needed()
    summary.click()
    panel = page.locator(".why-panel")
    expect(panel).to_be_visible()
    expect(panel).to_be_in_viewport()
    expect(summary).to_be_in_viewport(ratio=1)
    top = page.locator("header").evaluate("one => one.offsetHeight")
    box = summary.bounding_box()
    assert box is not None
    assert box["y"] >= top - 1  # not under the header
    assert page.evaluate(LAYOUT) == []


def test_the_sections_of_a_phone_are_in_a_menu(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/")
    section = page.get_by_role("link", name="Thresholds")
    expect(section).to_be_hidden()
    page.get_by_text("Menu", exact=True).click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    section.click()
    expect(page.get_by_role("heading", name="Thresholds")).to_be_visible()
    expect(section).to_be_hidden()


def test_the_letters_of_a_chart_keep_their_size(page: Page) -> None:
    sizes = []
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        page.goto(PAGES["thresholds"])
        sizes.append(page.locator("svg text").first.evaluate("one => one.getBoundingClientRect().height"))
    assert min(sizes) == max(sizes) >= 11
