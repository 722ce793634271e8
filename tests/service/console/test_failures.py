"""Requests that fail, in Chromium: a message at the place of the click, nothing lost, and a way out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Playwright, Route, expect
from tests.service.console.chromium import hold, shot, signed_in_browser
from tests.service.console.desk import Desk
from tests.service.http.conftest import StartStub


@pytest.fixture
def page(desk: Desk) -> Iterator[Page]:
    """A page at which Chromium may report failed requests."""
    page = desk.browser.new_page()
    yield page
    desk.browser.set_offline(False)
    page.close()


def in_view(box: Locator) -> None:
    expect(box).to_be_in_viewport(ratio=0.9)


@pytest.mark.parametrize("key", ["t", "w", "more"])
def test_without_a_server_every_click_in_the_queue_says_so_in_its_place(
    desk: Desk, page: Page, key: str
) -> None:
    desk.category(f"away-{key}", 22)
    page.set_viewport_size({"width": 900, "height": 500})
    page.goto(f"/console/review?category=away-{key}")
    case = page.locator("[data-case]").nth(5)
    for _ in range(6):
        page.keyboard.press("j")
    expect(case).to_be_focused()
    desk.browser.set_offline(True)
    if key == "more":
        page.get_by_role("link", name="More matches").click()
        box = page.locator(".more .failure")
    else:
        page.keyboard.press(key)
        box = case.locator(".failure")
    expect(box).to_contain_text("cannot be reached")
    in_view(box)
    assert page.locator(".failure").count() == 1
    shot(page, f"failure-{key}")
    desk.browser.set_offline(False)
    if key == "t":
        page.keyboard.press("t")
        expect(case).to_contain_text("Verdict: true positive")
    elif key == "w":
        box.get_by_role("button", name="Try again").click()
        expect(case.locator(".why-panel")).to_be_visible()
    else:
        page.get_by_role("link", name="More matches").click()
        expect(page.locator("[data-case]")).to_have_count(22)
    expect(page.locator(".failure")).to_have_count(0)


def test_a_search_without_a_server_says_so_and_keeps_what_was_typed(desk: Desk, page: Page) -> None:
    page.goto("/")
    page.get_by_label("Text", exact=True).fill("weapon small")
    desk.browser.set_offline(True)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#search").get_by_role("alert")).to_contain_text("cannot be reached")
    expect(page.get_by_label("Text", exact=True)).to_have_value("weapon small")


@pytest.mark.parametrize(
    ("address", "button"),
    [
        ("/console/gallery", "Create"),
        ("/console/samples?category=forms", "Add"),
        ("/console/samples?category=forms", "Switch sample"),
        ("/console/samples?category=forms", "Back-check sample"),
        ("/console/thresholds?category=forms", "Put in force"),
        ("/console/thresholds?category=forms", "Propose"),
        ("/console/jobs", "Start"),
        ("/console/health", "Sign out"),
    ],
)
def test_every_form_says_that_the_server_is_away(desk: Desk, page: Page, address: str, button: str) -> None:
    desk.category("forms")
    page.goto(address)
    for field in ("Name", "Text", "Threshold", "Target", "Reason"):
        typed = page.get_by_label(field, exact=True)
        if typed.count() and not typed.is_visible():
            page.get_by_text("Add a sample").click()
        if typed.count():
            typed.fill("0.25")
    desk.browser.set_offline(True)
    pressed = page.get_by_role("button", name=button).first
    pressed.click()
    box = page.locator("form").filter(has=pressed).get_by_role("alert")
    expect(box).to_contain_text("cannot be reached")
    in_view(box)
    expect(pressed).to_be_enabled()
    expect(pressed).to_be_focused()
    assert page.url.endswith(address)


def test_a_server_that_is_stopped(stub: StartStub, playwright: Playwright, tmp_path: Path) -> None:
    running = stub()
    with signed_in_browser(playwright, running.url, running.admin, tmp_path / "chromium") as browser:
        page = browser.new_page()
        page.goto("/console/gallery")
        page.get_by_label("Name").fill("kept")
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
        expect(page.get_by_label("Name")).to_have_value("kept")


def test_a_session_that_is_over_leads_back_to_the_page_and_its_draft(desk: Desk, page: Page) -> None:
    desk.category("session")
    page.goto("/console/samples?category=session")
    page.get_by_text("Add a sample").click()
    page.get_by_label("Text", exact=True).fill("a draft")
    page.get_by_label("Allow-list").check()
    desk.browser.clear_cookies()
    page.get_by_role("button", name="Add").click()
    box = page.get_by_role("alert")
    expect(box).to_contain_text("session is over")
    box.get_by_role("link", name="Sign in").click()
    desk.sign_in(page)
    assert page.url.endswith("/console/samples?category=session")
    expect(page.get_by_label("Text", exact=True)).to_have_value("a draft")
    expect(page.get_by_label("Allow-list")).to_be_checked()
    page.get_by_role("button", name="Add").click()
    expect(page.locator("li.hit")).to_have_count(2)
    page.reload()
    expect(page.get_by_label("Text", exact=True)).to_have_value("")


def test_a_verdict_after_signing_in_elsewhere_is_sent_once_more(desk: Desk, page: Page) -> None:
    desk.category("renewed", 2)
    page.goto("/console/review?category=renewed")
    page.keyboard.press("j")
    desk.browser.clear_cookies()
    page.keyboard.press("t")
    case = page.locator("[data-case]").first
    expect(case.get_by_role("link", name="Sign in")).to_be_visible()
    page.keyboard.press("w")
    panel = case.locator(".why .failure")
    expect(panel.get_by_role("link", name="Sign in")).to_be_visible()
    other = desk.browser.new_page()
    other.goto("/")
    desk.sign_in(other)
    other.close()
    panel.get_by_role("button", name="Try again").click()
    expect(case.locator(".why-panel")).to_be_visible()
    case.focus()
    page.keyboard.press("t")
    expect(case.get_by_role("alert")).to_contain_text("older than your session")
    page.keyboard.press("t")
    expect(case).to_contain_text("Verdict: true positive")


@pytest.mark.parametrize("status", [413, 429, 500, 502])
def test_what_the_server_or_a_proxy_answers_is_told_beside_the_button(
    desk: Desk, page: Page, status: int
) -> None:
    desk.category(f"answers-{status}", 1)

    def refuse(route: Route) -> None:
        ours = '<p class="problem"><strong>Refused.</strong> For this reason.</p>'
        alien = "<html><body><h1>nginx</h1></body></html>"
        headers = {} if status == 502 else {"X-Request-ID": "1"}
        route.fulfill(status=status, headers=headers, body=alien if status == 502 else ours)

    page.route("**/console/review/*", refuse)
    page.goto(f"/console/review?category=answers-{status}")
    page.keyboard.press("j")
    page.keyboard.press("t")
    box = page.locator("[data-case] form .failure")
    expect(box).to_contain_text("The answer was 502" if status == 502 else "For this reason")
    expect(page.locator(".decided")).to_have_count(0)
    page.unroute("**/console/review/*")
    page.keyboard.press("u")
    expect(page.locator("[data-case]")).to_contain_text("Verdict: unsure")


@pytest.mark.parametrize("answer", ["in a case", "to a form"])
def test_a_page_of_something_in_between_is_no_answer(desk: Desk, page: Page, answer: str) -> None:
    name = answer.replace(" ", "-")
    desk.category(name, 2)

    def alien(route: Route) -> None:
        if route.request.method == "POST":
            route.fulfill(body="<!DOCTYPE html><html><body><h1>Your network</h1></body></html>")
        else:
            route.continue_()

    case = answer == "in a case"
    page.route("**/console/**", alien)
    page.goto(f"/console/review?category={name}" if case else "/console/gallery")
    if case:
        page.keyboard.press("j")
        page.keyboard.press("t")
    else:
        page.get_by_label("Name").fill("kept")
        page.get_by_role("button", name="Create").click()
    box = page.locator("form.verdict .failure" if case else "form .failure")
    expect(box).to_contain_text("The answer was 200 OK, but not of this service")
    in_view(box)
    assert page.get_by_text("Your network").count() == 0
    assert page.locator("[data-case]").count() == (2 if case else 0)


def test_a_poll_that_fails_says_so_once_and_goes_on(desk: Desk, page: Page) -> None:
    page.goto("/console/health")
    desk.browser.set_offline(True)
    poll = "htmx.ajax('get', '/console/health', {source: '#health'}).catch(() => {})"
    for _ in range(2):
        page.evaluate(poll)
        expect(page.locator("#health > .failure")).to_contain_text("cannot be reached")
    assert page.locator(".failure").count() == 1
    desk.browser.set_offline(False)
    page.evaluate(poll)
    expect(page.locator(".failure")).to_have_count(0)


def test_an_answer_that_takes_long_is_waited_for_aloud(desk: Desk, page: Page) -> None:
    desk.category("slow", 1)
    page.clock.install()
    page.goto("/console/review?category=slow")
    page.keyboard.press("j")
    held = hold(page, "**/console/review/*")
    with page.expect_request("**/console/review/*"):
        page.keyboard.press("t")
    page.clock.run_for(9000)
    expect(page.locator("[data-case]").get_by_text("has not answered yet")).to_be_visible()
    held[0].continue_()
    expect(page.locator("[data-case]")).to_contain_text("Verdict: true positive")
    expect(page.get_by_text("has not answered yet")).to_have_count(0)


@pytest.mark.parametrize("way", ["double click", "enter held"])
def test_a_form_that_is_sent_twice_acts_once(desk: Desk, page: Page, way: str) -> None:
    name = way.replace(" ", "-")
    desk.category(name)
    before = desk.actions("job.create")
    page.goto(f"/console/samples?category={name}")
    button = page.get_by_role("button", name="Back-check sample")
    if way == "double click":
        button.dblclick()
    else:
        button.focus()
        for _ in range(3):
            page.keyboard.down("Enter")
    expect(page.locator("#progress")).to_be_visible()
    assert desk.actions("job.create") == before + 1


def test_a_wrong_key_is_told_beside_the_button(desk: Desk, page: Page) -> None:
    desk.browser.clear_cookies()
    page.goto("/console/jobs")
    page.get_by_label("API key").fill("un_nonsense")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("form").get_by_role("alert")).to_contain_text("unknown or revoked")
    expect(page.get_by_role("link", name="Sign in")).to_have_count(0)
    desk.sign_in(page)
    assert page.url.endswith("/console/jobs")
