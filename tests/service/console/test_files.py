"""Files in forms, in Chromium: whatever the browser guesses for their type, all are taken or named."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from tests.service.console.chromium import quiet_page
from tests.service.console.conftest import Site

GIVE = """([files, way, target, more]) => {
    const given = new DataTransfer();
    for (const [name, type, bytes] of files)
        given.items.add(new File([new Uint8Array(bytes)], name, { type }));
    for (const [type, text] of Object.entries(more)) given.setData(type, text);
    const data = way === "drop" ? { dataTransfer: given } : { clipboardData: given };
    const kind = way === "drop" ? DragEvent : ClipboardEvent;
    document.querySelector(target).dispatchEvent(new kind(way, { bubbles: true, cancelable: true, ...data }));
}"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="

FileGiven = tuple[str, str, list[int]]


def give(page: Page, *files: FileGiven, way: str = "drop", target: str = "[data-drop]", **more: str) -> None:
    types = {name.replace("_", "/").replace("uri/list", "uri-list"): text for name, text in more.items()}
    page.evaluate(GIVE, [list(files), way, target, types])


def picture(site: Site, number: int = 0) -> list[int]:
    return list(sorted((site.notes.parent / "images").iterdir())[number].read_bytes())


@pytest.mark.parametrize("kind", ["", "application/octet-stream", "text/plain", "video/mp4"])
@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_of_any_type_that_the_browser_guesses_is_searched_with(
    page: Page, site: Site, way: str, kind: str
) -> None:
    page.goto("/")
    give(page, ("holiday", kind, picture(site)), way=way)
    expect(page.locator("#results li.hit")).to_have_count(24)
    expect(page.locator("[data-previews] li")).to_have_count(1)


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
def test_a_file_that_is_no_picture_is_named_with_the_formats(
    browser: BrowserContext, tmp_path: Path, way: str
) -> None:
    page = browser.new_page()  # Chromium itself reports the 415
    page.goto("/")
    if way == "choose":
        (tmp_path / "tax.pdf").write_bytes(b"%PDF-1.7")
        page.get_by_label("Pictures or a video").set_input_files(tmp_path / "tax.pdf")
        page.get_by_role("button", name="Search").click()
    else:
        give(page, ("tax.pdf", "application/pdf", list(b"%PDF-1.7")), way=way)
    problem = page.get_by_role("alert").filter(has_text="tax.pdf")
    expect(problem).to_contain_text("JPEG")
    expect(problem).to_contain_text("MP4")
    page.close()


def test_the_bad_one_of_several_is_named_and_the_others_are_used(page: Page, site: Site) -> None:
    page.goto("/")
    bad: FileGiven = ("notes.txt", "text/plain", list(b"words"))
    give(page, ("a", "", picture(site)), bad, ("b", "", picture(site, 1)))
    expect(page.locator("#results .problem")).to_contain_text("notes.txt")
    expect(page.locator("#results li.hit")).to_have_count(24)
    assert page.url.count("picture=") == 2


def test_what_cannot_be_sent_is_told_before_it_is_sent(browser: BrowserContext, site: Site) -> None:
    page = browser.new_page()  # Chromium itself reports the 415 of the one that is sent
    page.goto("/")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    told = page.locator("[data-files-problem]")
    give(page, ("nothing.png", "image/png", []))
    expect(told).to_have_text("nothing.png is empty.")
    page.evaluate("document.querySelector('[data-drop]').dataset.pictureBytes = 1000")
    give(page, ("huge.jpg", "image/jpeg", picture(site)))
    expect(told).to_contain_text("huge.jpg has")
    expect(told).to_contain_text("the most for a picture is 0 MB")
    page.evaluate("document.querySelector('[data-drop]').dataset.bodyBytes = 1000")
    give(page, ("first", "", [1] * 600), ("second", "", [1] * 600), target="#text")
    expect(told).to_contain_text("second is left out")
    assert "POST" in sent  # the first one, which fits
    page.evaluate("""
        DataTransferItem.prototype.webkitGetAsEntry = () => ({ isDirectory: true, name: "Holidays" })
    """)
    give(page, ("Holidays", "", [1]))
    expect(told).to_have_text("Holidays is a folder: drop the files that are in it.")
    page.close()


def test_links_and_copied_markup_are_answered(page: Page) -> None:
    page.goto("/")
    told = page.locator("[data-files-problem]")
    give(page, text_uri_list="https://example.com/picture.jpg")
    expect(told).to_contain_text("That is a link")
    give(page, text_plain="words")
    expect(told).to_contain_text("holds no file")
    give(page, way="paste", target="h1", text_html="<p><img src='https://example.com/a.png'></p>")
    expect(told).to_contain_text("Only a link to the picture")
    give(page, way="paste", target="h1", text_html="<b>words</b>", text_plain="words")
    expect(told).to_contain_text("no picture; paste a text into the field")
    give(page, way="paste", target="h1")
    expect(told).to_have_text("The clipboard is empty.")


def test_a_picture_inside_copied_markup_is_taken(browser: BrowserContext) -> None:
    page = browser.new_page()  # one pixel is too small, which the server says by the name
    page.goto("/")
    markup = f"<table><tr><td><img src='data:image/png;base64,{PIXEL}'></td></tr></table>"
    give(page, way="paste", target="#text", text_html=markup)
    expect(page.get_by_role("alert").filter(has_text="pasted picture")).to_contain_text("1 x 1")
    page.close()


def test_a_text_with_a_picture_of_itself_is_pasted_as_text(page: Page, site: Site) -> None:
    page.goto("/")
    cells: FileGiven = ("image.png", "image/png", picture(site))
    give(page, cells, way="paste", target="#text", text_plain="cells of a sheet")
    expect(page.locator("[data-previews] li")).to_have_count(0)
    give(page, cells, way="paste", target="#text", text_plain="image.png")  # as file managers do
    expect(page.locator("#results li.hit")).to_have_count(24)


def test_a_chosen_picture_can_be_taken_away_before_and_after_the_search(page: Page, site: Site) -> None:
    images = sorted((site.notes.parent / "images").iterdir())[:2]
    page.goto("/")
    field = page.get_by_label("Pictures or a video")
    assert field.get_attribute("accept") is None  # it would hide formats that the system does not know
    field.set_input_files(images)
    page.get_by_role("button", name=f"Take away {images[0].name}").click()
    expect(page.locator("[data-previews] li")).to_have_count(1)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#results li.hit")).to_have_count(24)
    assert page.url.count("picture=") == 1
    page.reload()
    expect(page.locator("[data-stored] img")).to_have_count(1)
    page.get_by_role("button", name="Take away picture 1").click()
    page.get_by_label("Text", exact=True).fill("rain")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?text=rain")


def test_dropping_a_picture_on_a_search_with_a_note_starts_a_new_one(page: Page, site: Site) -> None:
    page.goto("/?note_id=rain/1")
    give(page, ("a", "", picture(site)), target="h1")
    page.wait_for_url("**/?picture=*")
    expect(page.locator(".chip")).to_have_count(0)
    expect(page.locator("#results li.hit")).to_have_count(24)


def test_files_of_a_sample_are_gathered_and_a_bad_one_adds_nothing(
    browser: BrowserContext, site: Site
) -> None:
    with quiet_page(browser) as page:
        page.goto("/console/samples?category=weather")
        page.get_by_text("Add a sample").click()
        give(page, ("one", "", picture(site)))
        give(page, ("two", "", picture(site, 1)))
        expect(page.locator("[data-previews] li")).to_have_count(2)
        page.get_by_label("Label").fill("two dropped pictures")
        page.get_by_role("button", name="Add").click()
        expect(page.locator("li.hit").filter(has_text="two dropped pictures")).to_contain_text("+1")
    page = browser.new_page()
    page.goto("/console/samples?category=weather")
    page.get_by_text("Add a sample").click()
    give(page, ("one", "", picture(site)), ("notes.txt", "", list(b"words")))
    page.get_by_label("Label").fill("never there")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert").filter(has_text="notes.txt")).to_contain_text("No sample was added")
    page.goto("/console/samples?category=weather")
    expect(page.get_by_text("never there")).to_have_count(0)
    page.close()
