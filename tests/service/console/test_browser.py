"""The console as people see it: real Chromium on a real server."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.service.console.chromium import FAINT, NAMELESS, shot
from tests.service.console.conftest import HOSTILE, SAMPLE_TEXT, Site


def first_hit(page: Page) -> str:
    return page.locator("#results h2").first.inner_text()


def test_searching_with_words_then_with_what_was_found(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Text", exact=True).fill("a city street at night")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results li.hit")).to_have_count(24)
    shot(page, "search")
    page.get_by_role("button", name="More results").click()
    expect(page.locator("#results li.hit")).to_have_count(48)
    name = first_hit(page)
    page.get_by_role("link", name="Search with this").first.click()
    expect(page.locator(".chip")).to_be_visible()
    assert first_hit(page) == name  # a note is nearest to itself
    page.locator("#results h2 a").first.click()
    expect(page.get_by_role("heading", name="Matches")).to_be_visible()
    shot(page, "note")


@pytest.mark.parametrize("way", ["choose", "drop", "paste"])
def test_searching_with_a_picture(page: Page, site: Site, way: str) -> None:
    picture = sorted((site.notes.parent / "images").iterdir())[0]
    page.goto("/")
    if way == "choose":
        page.get_by_label("Pictures or a video").set_input_files(picture)
        page.get_by_role("button", name="Search").click()
    else:
        script = """([bytes, way]) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "picture.jpg", { type: "image/jpeg" }));
            const more = way === "drop" ? { dataTransfer: files } : { clipboardData: files };
            const kind = way === "drop" ? DragEvent : ClipboardEvent;
            document.querySelector("#text").dispatchEvent(new kind(way, { bubbles: true, ...more }));
        }"""
        page.evaluate(script, [list(picture.read_bytes()), way])
    expect(page.locator("[data-previews] img")).to_have_count(1)
    expect(page.locator("#results li.hit")).to_have_count(24)
    page.get_by_role("button", name="More results").click()
    expect(page.locator("#results li.hit")).to_have_count(48)
    if way == "choose":
        page.evaluate("scrollTo(0, 0)")
        shot(page, "picture")


def test_hostile_notes_are_text(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Text", exact=True).fill(HOSTILE)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results h2").filter(has_text="<script>")).to_have_count(1)


def test_a_problem_is_told_beside_the_form(browser: BrowserContext) -> None:
    page = browser.new_page()  # Chromium itself reports the 422
    page.goto("/")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("alert")).to_contain_text("Give a text, a picture or a note")
    page.close()


def test_reviewing_with_the_keyboard(page: Page) -> None:
    page.goto("/console/review?category=pictures")
    picture = page.locator("[data-case] .thumb img").first
    expect(picture).to_have_css("filter", "blur(18px)")
    page.keyboard.press("b")
    expect(picture).to_have_css("filter", "none")
    page.goto("/console/review")
    expect(picture).to_have_css("filter", "blur(18px)")
    page.keyboard.press("j")
    shot(page, "queue")
    page.goto("/console/review?category=weather")
    expect(page.locator("[data-case]")).to_have_count(20)
    page.keyboard.press("j")
    first, second = (page.locator("[data-case]").nth(place) for place in (0, 1))
    expect(first).to_be_focused()
    page.keyboard.press("t")
    expect(first).to_contain_text("Verdict: true positive")
    expect(second).to_be_focused()
    page.keyboard.press("f")
    expect(second).to_contain_text("Verdict: false positive")
    shot(page, "review")
    page.goto("/console/review?verdict=false_positive")
    expect(page.locator("[data-case]")).to_have_count(1)


def test_a_back_check_shows_its_progress_and_its_hits(page: Page) -> None:
    page.goto("/console/samples?category=weather")
    page.get_by_role("button", name="Back-check").first.click()
    expect(page.locator("#progress")).to_contain_text("done")
    expect(page.locator("tbody tr").first).to_be_visible()
    shot(page, "job")


def test_pictures_become_a_sample(page: Page, site: Site) -> None:
    page.goto("/console/samples?category=weather")
    page.get_by_text("Add a sample").click()
    page.get_by_label("Pictures or a video").set_input_files(
        sorted((site.notes.parent / "images").iterdir())[1]
    )
    page.get_by_label("Label").fill("a picture")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="a picture")).to_be_visible()
    assert page.locator("li.hit img").first.evaluate("one => one.decode().then(() => one.naturalWidth)") > 10
    shot(page, "samples")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_and_every_field_has_a_name(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    for address in ("/", "/console/thresholds?category=weather", "/console/review", "/console/jobs"):
        page.goto(address)
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate(FAINT) == []
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the content")).to_be_focused()


def test_thresholds_and_health_are_drawn(page: Page) -> None:
    page.goto(f"/?text={SAMPLE_TEXT}")
    page.goto("/console/thresholds?category=weather&method=volume&target=10")
    expect(page.get_by_role("img")).to_be_visible()
    expect(page.locator("line.limit")).to_have_count(2)
    shot(page, "thresholds")
    page.goto("/console/gallery")
    shot(page, "gallery")
    page.goto("/console/health")
    expect(page.get_by_role("status")).to_contain_text("Ready")
    shot(page, "health")
