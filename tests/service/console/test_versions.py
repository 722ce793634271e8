"""From a second model folder to the switch and back, in Chromium; and who may do it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Playwright, expect
from tests.service.console.chromium import FAINT, NAMELESS, quiet_page, shot, signed_in_browser
from tests.service.console.conftest import signed_in, token
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running


@pytest.fixture
def running(stub: StartStub) -> Running:
    """A service with 70 notes, one category, and the folder of a second model."""
    running = stub()
    with running.client() as api:
        api.put("/v1/categories/arms", json={"description": "guns"}).raise_for_status()
        sample = {"category": "arms", "text": "weapon small", "label": "pistol"}
        api.post("/v1/samples", json={"samples": [sample]}).raise_for_status()
        api.put("/v1/thresholds", json={"category": "arms", "value": 0.8}).raise_for_status()
        for start in (0, 35):
            notes = [{"id": f"n{start + n}", "title": f"weapon {start + n}"} for n in range(35)]
            api.post("/v1/notes/batch", json={"notes": notes}).raise_for_status()
    folder = running.folder / "models" / "second"
    folder.mkdir(parents=True)
    (folder / "uninote.json").write_text('{"version": "second"}')
    return running


@pytest.fixture
def page(playwright: Playwright, running: Running, tmp_path: Path) -> Iterator[Page]:
    with (
        signed_in_browser(playwright, running.url, running.admin, tmp_path / "chromium") as browser,
        quiet_page(browser) as page,
    ):
        page.on("dialog", lambda dialog: dialog.accept())
        yield page


def row(page: Page, version: str) -> Locator:
    return page.locator("tbody tr").filter(has=page.get_by_text(version, exact=True))


def test_a_version_is_added_filled_compared_switched_to_and_left_again(page: Page, running: Running) -> None:
    page.goto("/console/versions")
    expect(row(page, "stub")).to_contain_text("active")
    page.get_by_label("Model folder").select_option("second")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(row(page, "second")).to_contain_text("loading")
    expect(row(page, "second")).to_contain_text("70 notes")
    expect(page.get_by_label("Model folder")).to_have_count(0)  # there is none left to add
    (running.folder / "hold").touch()  # so that its progress is seen
    page.get_by_role("button", name="Fill second").click()
    expect(page.get_by_role("progressbar", name="Backfill of second")).to_be_visible()
    (running.folder / "hold").unlink()
    expect(row(page, "second")).to_contain_text("shadow")
    expect(row(page, "second")).not_to_contain_text("70 notes")
    shot(page, "versions")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []

    row(page, "second").get_by_role("link", name="Compare").click()
    expect(page.get_by_text("Samples compared")).to_be_visible()
    expect(page.locator("tbody tr")).to_contain_text("no threshold")
    page.get_by_role("link", name="arms").click()
    expect(page.locator(".chip")).to_contain_text("second")
    expect(page.get_by_text("No threshold is in force")).to_be_visible()
    page.get_by_label("Target").fill("5")
    page.get_by_role("button", name="Propose").click()
    page.get_by_role("button", name="Put in force").click()
    expect(page.get_by_text("In force:")).to_be_visible()
    page.go_back()
    page.goto("/console/versions/comparison?old=stub&new=second")
    expect(page.locator("tbody tr")).not_to_contain_text("no threshold")
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(FAINT) == []
    shot(page, "comparison")

    page.goto("/console/versions")
    expect(row(page, "second")).to_contain_text("nothing")
    expect(page.get_by_role("button", name="Roll back")).to_have_count(0)
    page.get_by_role("button", name="Switch to second").click()
    expect(row(page, "second")).to_contain_text("active")
    expect(row(page, "stub")).to_contain_text("shadow")
    page.get_by_role("button", name="Roll back").click()
    expect(row(page, "stub")).to_contain_text("active")
    page.get_by_role("button", name="Retire second").click()
    expect(row(page, "second")).to_contain_text("retired")


def test_what_is_not_ready_is_told_and_others_only_look(running: Running) -> None:
    with signed_in(running) as admin:
        page = admin.get("/console/versions").text
        form = {"form_token": token(page)}
        assert admin.post("/console/versions", data=form | {"folder": "../model"}).status_code == 422
        assert admin.post("/console/versions", data=form | {"folder": "second"}).status_code == 303
        refused = admin.post("/console/versions/switch", data=form | {"version": "second"})
        assert refused.status_code == 409
        assert "70 notes without a vector" in refused.text
        for step in ("backfill", "switch", "roll-back", "retire"):
            assert admin.post(f"/console/versions/{step}", data=form).status_code == 422
        assert admin.get("/console/versions/comparison?old=stub&new=none").status_code == 404
        empty = admin.get("/console/versions/comparison?old=stub&new=second")
        assert "fill the new one first" in empty.text
    with signed_in(running, "operate") as operator:
        page = operator.get("/console/versions").text
        assert "second" in page
        assert 'method="post" action="/console/versions' not in page
