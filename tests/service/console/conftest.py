"""One server with the compact encoder and a small sample, filled once: a category, matches, hostile notes."""

from __future__ import annotations

import base64
import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from tests.service.console.chromium import quiet_page, signed_in_browser
from tests.service.console.desk import Desk
from tests.service.http.conftest import CLI, STUB, new_database, stub
from tests.service.http.running import Running, start

from uninote.store.embedded import EmbeddedServer

__all__ = ["stub"]  # the fixture: a server with a hash for an encoder

HOSTILE = "<script>window.hacked=1</script>\"'><img src=x onerror=window.hacked=2>{{7*7}}"
SAMPLE_TEXT = "heavy rain in the streets"
_numbers = itertools.count()


@dataclass
class Site:
    """The server and what it was filled with."""

    running: Running
    notes: Path

    @property
    def url(self) -> str:
        return self.running.url


@contextmanager
def signed_in(running: Running, role: str = "admin") -> Iterator[httpx.Client]:
    """Return a client with cookies, signed in with a key of that role."""
    with httpx.Client(base_url=running.url, timeout=60) as client:
        page = client.get("/console/sign-in")
        sent = {"form_token": token(page.text), "key": running.key(role), "next": "/"}
        answer = client.post("/console/sign-in", data=sent)
        assert answer.status_code == 303, answer.text
        yield client


def token(page: str) -> str:
    found = re.search(r'name="form_token" value="([A-Za-z0-9_-]{43})"', page)
    assert found, page
    return found[1]


@pytest.fixture(scope="session")
def site(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from uninote.encoder import Encoder
    from uninote.sample.notes import write_sample
    from uninote.settings import EncoderSettings

    folder = tmp_path_factory.mktemp("console")
    Encoder.compact(EncoderSettings(vision_side=64, read="given")).save(folder / "model")
    notes = write_sample(folder / "sample", 30)
    address = new_database(server, template, "console")
    more = ["--port", "0", "--notes", str(notes), "--set", f"store.address={address}"]
    running = start([*CLI, "serve", "--index", str(folder), *more], folder, folder / "log")
    try:
        with running.client() as client:
            _fill(client, sorted((notes.parent / "images").iterdir()))
        yield Site(running, notes)
    finally:
        running.stop()


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:  # ends with the file: as long as it lives, an event loop is running
        yield playwright


@pytest.fixture(scope="module")
def browser(
    playwright: Playwright, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BrowserContext]:
    """Signed in at the site."""
    folder = tmp_path_factory.mktemp("chromium")
    with signed_in_browser(playwright, site.url, site.running.admin, folder) as context:
        yield context


@pytest.fixture
def page(browser: BrowserContext) -> Iterator[Page]:
    """A page of the site that must not complain."""
    with quiet_page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def desk(
    playwright: Playwright, server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """A fast server for tests that change what is stored; each takes a category of its own."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "model").mkdir()
    (folder / "model" / "uninote.json").write_text('{"version": "stub"}')
    address = new_database(server, template, f"desk{next(_numbers)}")
    running = start([sys.executable, str(STUB), str(folder), address, "{}"], folder, folder / "log")
    try:
        with signed_in_browser(playwright, running.url, running.admin, folder / "chromium") as browser:
            yield Desk(running, browser)
    finally:
        running.stop()


def _fill(client: httpx.Client, images: list[Path]) -> None:
    for name, threshold in (("weather", 0.5), (HOSTILE, 0.9)):
        path = f"/v1/categories/{quote(name, safe='')}"
        client.put(path, json={"description": name}).raise_for_status()
        sample = {"category": name, "text": SAMPLE_TEXT if name == "weather" else name, "label": name}
        client.post("/v1/samples", json={"samples": [sample]}).raise_for_status()
        client.put("/v1/thresholds", json={"category": name, "value": threshold}).raise_for_status()
    rainy = [{"id": f"rain/{n}", "title": f"Heavy rain in the streets, day {n}"} for n in range(25)]
    hostile = {"id": HOSTILE, "title": HOSTILE, "body": HOSTILE, "tags": [HOSTILE], "category": HOSTILE}
    stored = client.post("/v1/notes/batch", json={"notes": [*rainy, hostile]}).raise_for_status().json()
    assert all(one["status"] == "created" for one in stored["outcomes"])
    assert sum(bool(one["hits"]) for one in stored["outcomes"]) > 20
    shown = [{"data": base64.b64encode(image.read_bytes()).decode()} for image in images[:2]]
    client.put("/v1/categories/pictures", json={"description": "one picture"}).raise_for_status()
    sample = {"category": "pictures", "pictures": shown[:1], "label": "the picture"}
    client.post("/v1/samples", json={"samples": [sample]}).raise_for_status()
    client.put("/v1/thresholds", json={"category": "pictures", "value": 0.95}).raise_for_status()
    pictured = [{"id": f"pictured-{n}", "pictures": shown[:1], "category": f"shelf {n}"} for n in (1, 2)]
    stored = client.post("/v1/notes/batch", json={"notes": pictured}).raise_for_status().json()
    assert all(len(one["hits"]) == 1 for one in stored["outcomes"])
