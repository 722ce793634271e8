"""The review queue in Chromium: keys held down, one verdict at a time, order, count and undo."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.service.console.chromium import hold, quiet_page
from tests.service.console.desk import Desk


@pytest.fixture
def page(desk: Desk) -> Iterator[Page]:
    with quiet_page(desk.browser) as page:
        yield page


def queue(page: Page, name: str) -> None:
    page.goto(f"/console/review?category={name}")
    page.keyboard.press("j")


def test_a_key_held_down_gives_one_verdict(desk: Desk, page: Page) -> None:
    desk.category("held", 4)
    queue(page, "held")
    for number in range(4):  # Playwright repeats a key that is down already
        page.keyboard.down("t")
        expect(page.locator("[data-case]").nth(1)).to_be_focused()
        assert page.locator(".decided").count() == 1, number
    page.keyboard.up("t")
    page.keyboard.press("f")
    expect(page.locator("[data-case]").nth(2)).to_be_focused()
    found = desk.quality("held")
    assert (found["true_positives"], found["false_positives"], found["open"]) == (1, 1, 2)


def test_while_one_verdict_is_under_way_there_is_no_other(desk: Desk, page: Page) -> None:
    desk.category("single", 3)
    queue(page, "single")
    held = hold(page, "**/console/review/*")
    with page.expect_request("**/console/review/*"):
        page.keyboard.press("t")
    button = page.get_by_role("button", name="Unsure").nth(1)
    expect(button).to_be_disabled()
    page.keyboard.press("j")
    for key in "tfuz":
        page.keyboard.press(key)
    button.click(force=True)
    (only,) = held
    only.continue_()
    expect(page.locator(".decided")).to_have_count(1)
    expect(button).to_be_enabled()
    found = desk.quality("single")
    assert (found["true_positives"], found["open"]) == (1, 2)


def test_the_same_verdict_again_is_no_second_record(desk: Desk, page: Page) -> None:
    desk.category("same", 1)
    before = desk.actions("review")
    queue(page, "same")
    for _ in range(3):
        with page.expect_response("**/console/review/*"):
            page.get_by_role("button", name="True positive").click()
    expect(page.locator("[data-case]")).to_contain_text("Verdict: true positive")
    assert desk.actions("review") == before + 1
    page.get_by_role("button", name="False positive").click()
    expect(page.locator("[data-case]")).to_contain_text("Verdict: false positive")
    assert desk.actions("review") == before + 2


def test_a_double_click_gives_one_verdict(desk: Desk, page: Page) -> None:
    desk.category("double", 4)
    queue(page, "double")
    page.get_by_role("button", name="True positive").first.click()
    second = page.locator("[data-case]").nth(1)
    expect(second).to_be_focused()
    place = second.get_by_role("button", name="Unsure").bounding_box()
    assert place  # moved under the pointer
    page.mouse.move(place["x"] + 9, place["y"] + 9)
    page.mouse.down(click_count=2)
    page.mouse.up(click_count=2)
    second.focus()
    page.keyboard.press("f")
    expect(page.locator("[data-case]").nth(2)).to_be_focused()
    found = desk.quality("double")
    assert (found["true_positives"], found["false_positives"], found["open"]) == (1, 1, 2)


def test_a_case_that_someone_else_judged_meanwhile_is_shown_and_not_replaced(desk: Desk, page: Page) -> None:
    desk.category("two", 2)
    queue(page, "two")
    first = page.locator("[data-case]").first
    other = str(first.get_attribute("id")).removeprefix("match-")
    with desk.running.client("operate") as api:
        api.post(f"/v1/matches/{other}/verdict", json={"verdict": "true_positive"}).raise_for_status()
    page.keyboard.press("f")
    expect(first.get_by_role("alert")).to_contain_text("its verdict is true positive, not none")
    expect(first).to_contain_text("Verdict: true positive")
    expect(first).to_be_focused()
    expect(page.locator("#review-state")).to_contain_text("1 open")
    page.keyboard.press("f")
    expect(first).to_contain_text("Verdict: false positive")
    expect(first.get_by_role("alert")).to_have_count(0)
    assert desk.quality("two")["false_positives"] == 1


def test_a_queue_offers_to_undo_what_belongs_to_it(desk: Desk, page: Page) -> None:
    desk.category("mine", 1)
    desk.category("others", 1)
    queue(page, "mine")
    page.keyboard.press("t")
    expect(page.locator("#undo")).to_contain_text("true positive")
    queue(page, "others")
    expect(page.locator("#undo")).to_have_count(0)
    page.goto("/console/review")
    expect(page.locator("#undo")).to_contain_text("true positive")


def test_the_surest_come_first_and_are_counted(desk: Desk, page: Page) -> None:
    desk.category("order", 25)
    queue(page, "order")
    expect(page.locator("#review-state")).to_contain_text("25 open in order")
    page.get_by_role("link", name="More matches").click()
    expect(page.locator("[data-case]")).to_have_count(25)
    scores = [float(text) for text in page.locator(".case .score").all_inner_texts()]
    assert scores == sorted(scores, reverse=True)
    assert len(set(page.locator("[data-case]").evaluate_all("all => all.map((one) => one.id)"))) == 25


def test_the_last_verdict_is_undone_with_a_key_and_after_a_reload(desk: Desk, page: Page) -> None:
    desk.category("undo", 3)
    queue(page, "undo")
    state, cases = page.locator("#review-state"), page.locator("[data-case]")
    for judged in (1, 2):
        page.keyboard.press("t")
        expect(cases.nth(judged)).to_be_focused()
    expect(state).to_contain_text("1 open")
    second = cases.nth(1).get_attribute("id")
    page.keyboard.press("z")
    expect(state).to_contain_text("2 open")
    expect(cases.nth(1)).not_to_contain_text("Verdict")
    expect(cases.nth(1)).to_be_focused()
    page.reload()
    expect(cases).to_have_count(2)
    expect(cases.first).to_have_id(str(second))
    page.get_by_role("button", name="Undo it").click()
    expect(state).to_contain_text("3 open")
    expect(cases).to_have_count(3)
    expect(cases.first).to_be_focused()
    assert desk.quality("undo")["open"] == 3


def test_an_undo_that_comes_too_late_says_so_in_its_place(desk: Desk) -> None:
    desk.category("late", 1)
    page = desk.browser.new_page()  # Chromium itself reports the 409
    queue(page, "late")
    page.keyboard.press("t")
    undo = page.locator("#undo")
    expect(undo).to_contain_text("true positive")
    with desk.running.client("operate") as other:
        (match,) = other.get("/v1/matches", params={"category": "late", "verdict": "true_positive"}).json()[
            "matches"
        ]
        path = f"/v1/matches/{match['id']}/verdict"
        other.post(path, json={"verdict": "unsure"}).raise_for_status()
    page.keyboard.press("z")
    expect(undo.get_by_role("alert")).to_contain_text("has a later verdict")
    page.close()
