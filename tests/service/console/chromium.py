"""Chromium for the tests of the console: how it is started, and what every page is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, Playwright, Route, expect
from tests.debian import program

FLAGS = [
    *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    *["--disable-background-networking", "--disable-component-update", "--disable-sync"],
]
PATIENCE_MS = 60_000  # for machines that other work keeps busy
SHOTS = os.environ.get("UNINOTE_SCREENSHOTS")
"""A folder to leave pictures of the pages in; empty: none are taken."""


@contextmanager
def signed_in_browser(playwright: Playwright, url: str, key: str, profile: Path) -> Iterator[BrowserContext]:
    """Yield a browser that is signed in there."""
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=program("chromium", "chromium"),
        args=FLAGS,
        viewport={"width": 1280, "height": 860},
        base_url=url,
    )
    context.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page = context.new_page()
    page.goto("/console/gallery")
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Gallery")).to_be_visible()  # where one wanted to go
    page.close()
    yield context
    context.close()


@contextmanager
def quiet_page(browser: BrowserContext) -> Iterator[Page]:
    """Yield a page that must not complain, of a refusal by the policy above all, nor run what notes say."""
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert page.evaluate("window.hacked") is None
    page.close()
    assert said == []


def shot(page: Page, name: str) -> None:
    if SHOTS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=Path(SHOTS) / f"{name}-{scheme}.png")
        page.emulate_media(color_scheme="light")


NAMELESS = """Array.from(document.querySelectorAll("input, textarea, select, button, a, img"))
    .filter((one) => one.type !== "hidden")
    .filter((one) => !(one.labels && one.labels.length) && !one.ariaLabel && !one.textContent.trim()
        && one.getAttribute("alt") === null && !one.querySelector("img"))
    .map((one) => one.outerHTML)"""
FAINT = """(() => {
    const light = (text) => {
        const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const one = part / 255;
            return one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (one) => {
        while (one && getComputedStyle(one).backgroundColor === "rgba(0, 0, 0, 0)") one = one.parentElement;
        return one ? getComputedStyle(one).backgroundColor : "rgb(255, 255, 255)";
    };
    return Array.from(document.querySelectorAll("main *:not(title), header *"))
        .filter((one) => Array.from(one.childNodes).some((node) => node.nodeType === 3 && node.data.trim()))
        .filter((one) => one.checkVisibility())
        .filter((one) => {
            const ink = getComputedStyle(one)[one.ownerSVGElement ? "fill" : "color"];
            const [a, b] = [light(ink), light(behind(one))].sort((x, y) => x - y);
            return (b + 0.05) / (a + 0.05) < 4.5;
        })
        .map((one) => one.outerHTML.slice(0, 120));
})()"""


def hold(page: Page, addresses: str) -> list[Route]:
    """Keep the page's requests to such addresses unanswered; return the list that receives them."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(addresses, keep)
    return held
