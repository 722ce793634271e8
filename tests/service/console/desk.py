"""A stub server with a category to review, and a browser at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Page, expect
from tests.service.http.running import Running


@dataclass
class Desk:
    """A server whose encoder is a hash, and a browser that is signed in there."""

    running: Running
    browser: BrowserContext

    def api(self) -> httpx.Client:
        return self.running.client()

    def category(self, name: str, notes: int = 0) -> None:
        """Make a category with a sample that `notes` notes match, each with a score of its own."""
        with self.api() as api:
            api.put(f"/v1/categories/{name}", json={}).raise_for_status()
            api.put("/v1/thresholds", json={"category": name, "value": 0.5}).raise_for_status()
            sample = {"category": name, "text": f"{name} sample"}
            api.post("/v1/samples", json={"samples": [sample]}).raise_for_status()
            for number in range(notes):
                note = {"id": f"{name}/{number}", "title": f"{name} note {number}"}
                assert api.post("/v1/notes", json=note).raise_for_status().json()["hits"]

    def quality(self, name: str) -> dict[str, Any]:
        with self.api() as api:
            listed = api.get("/v1/reviews/quality").raise_for_status().json()["categories"]
        return next(one for one in listed if one["category"] == name)

    def actions(self, action: str) -> int:
        """Return how many entries of that action the audit log has."""
        with self.api() as api:
            found = api.get("/v1/audit", params={"action": action, "limit": 1000}).raise_for_status()
        return len(found.json()["entries"])

    def sign_in(self, page: Page) -> None:
        page.get_by_label("API key").fill(self.running.admin)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
