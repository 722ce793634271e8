"""Take the tour of docs/service.md in Chromium and leave its pictures in docs/images.

uninote serve --index demo/index --notes demo/sample/notes.jsonl      # in another shell, on a fresh demo
python scripts/screenshots.py --key-file demo/index/admin.key
python scripts/screenshots.py --report work/real/seed-0/report.html    # no server: docs/images/report.png

Takes every step of the tour, and fails where a step does not work. Needs Debian's `chromium` and a Chinese
font (`fonts-wqy-microhei`), because the sample has Chinese notes. Pictures have the light theme, one size and
256 colours, so each takes a few tens of kilobytes. A second run changes nothing but the open matches, which
become fewer.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parent.parent
SIZE = {"width": 1180, "height": 760}
MAX_BYTES = 150_000
REPORT_SIZE, REPORT_WIDTH = {"width": 1180, "height": 1415}, 790
CATEGORY, SAMPLE = "rain", "heavy rain in the streets, people with umbrellas"
SEARCH = "a rainy street with umbrellas"

PICTURES_ARE_THERE = """() => Array.from(document.images)
    .filter((one) => one.getBoundingClientRect().top < innerHeight && one.getBoundingClientRect().bottom > 0)
    .every((one) => one.complete && one.naturalWidth > 0)"""


def save(page: Page, file: Path, width: int = SIZE["width"]) -> None:
    """Save the visible part of the page as a small PNG of this width in pixels."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
    picture.quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file}  {size / 1000:.0f} kB")
    if size > MAX_BYTES:
        raise SystemExit(f"{file} is larger than {MAX_BYTES} bytes")


class Tour:
    """One browser page that walks through the console."""

    def __init__(self, page: Page, out: Path) -> None:
        self.page, self.out = page, out

    def shot(self, name: str) -> None:
        """Save the visible part of the page as a small PNG."""
        self.page.evaluate("document.activeElement && document.activeElement.blur()")
        self.page.wait_for_function(PICTURES_ARE_THERE)
        save(self.page, self.out / f"console-{name}.png")

    def sign_in(self, key: str) -> None:
        self.page.goto("/")
        self.page.get_by_label("API key").fill(key)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="Search")).to_be_visible()

    def search(self) -> None:
        self.page.get_by_label("Text", exact=True).fill(SEARCH)
        self.page.get_by_role("button", name="Search").click()
        expect(self.page.locator("#results li.hit").first).to_be_visible()
        self.shot("search")
        self.page.locator("#results .why summary").first.click()
        expect(self.page.locator(".why-panel")).to_be_visible()
        self.page.evaluate("document.querySelector('li.hit').scrollIntoView()")
        self.shot("search-why")

    def gallery(self) -> None:
        self.page.get_by_role("link", name="Gallery").click()
        if not self.page.get_by_role("link", name=CATEGORY, exact=True).is_visible():
            self.page.get_by_label("Name").fill(CATEGORY)
            self.page.get_by_label("Description").fill("bad weather")
            self.page.get_by_role("button", name="Create").click()
        else:
            self.page.get_by_role("link", name=CATEGORY, exact=True).click()
        expect(self.page.get_by_role("heading", name=CATEGORY, exact=True)).to_be_visible()
        if not self.page.get_by_label("Text", exact=True).is_visible():
            self.page.get_by_text("Add a sample").click()
        self.page.get_by_label("Text", exact=True).fill(SAMPLE)
        self.page.get_by_label("Label").fill("rain in town")
        self.page.get_by_role("button", name="Add", exact=True).click()
        expect(self.page.get_by_role("heading", name="rain in town")).to_be_visible()
        self.shot("samples")

    def threshold(self) -> None:
        self.page.get_by_role("link", name="Thresholds").click()
        self.page.get_by_label("Category").select_option(CATEGORY)
        self.page.get_by_role("button", name="Show").click()
        self.page.get_by_label("Target").fill("10")
        self.page.get_by_role("button", name="Propose").click()
        expect(self.page.get_by_text("Proposed:")).to_be_visible()
        self.shot("thresholds")
        self.page.get_by_role("button", name="Put in force").click()
        expect(self.page.get_by_text("10 of")).to_be_visible()

    def back_check(self) -> None:
        self.page.get_by_role("link", name="Back-check").click()
        self.page.get_by_label("All enabled samples of").select_option(CATEGORY)
        self.page.get_by_role("button", name="Start").click()
        expect(self.page.locator("#progress")).to_contain_text("done")
        self.shot("job")

    def review(self) -> None:
        self.page.get_by_role("link", name="Review").click()
        expect(self.page.locator("[data-case]").first).to_be_visible()
        self.page.keyboard.press("j")
        self.page.keyboard.press("w")
        expect(self.page.locator("[data-case] .why-panel").first).to_be_visible()
        self.page.evaluate("scrollTo(0, 0)")
        self.shot("review")
        self.page.keyboard.press("b")
        self.page.evaluate("document.querySelector('[data-case]').scrollIntoView()")
        self.page.wait_for_timeout(300)  # the blur fades
        self.shot("why")
        self.page.locator("[data-case]").first.focus()
        self.page.keyboard.press("t")
        expect(self.page.locator("[data-case]").first).to_contain_text("Verdict: true positive")
        expect(self.page.locator("[data-case]").nth(1)).to_be_focused()
        self.page.keyboard.press("f")
        expect(self.page.locator("[data-case]").nth(1)).to_contain_text("Verdict: false positive")

    def versions(self) -> None:
        self.page.get_by_role("link", name="Models").click()
        if self.page.get_by_label("Model folder").is_visible():
            self.page.get_by_role("button", name="Add", exact=True).click()
            expect(self.page.locator("tbody tr")).to_have_count(2)
        if self.page.locator("tbody tr").count() < 2:
            print("no second model below models/ of the served folder: no picture of two model versions")
            return
        fill = self.page.get_by_role("button", name="Fill")
        if fill.first.is_visible():
            fill.first.click()
        expect(self.page.locator("tbody")).to_contain_text("shadow", timeout=1_800_000)
        self.shot("versions")
        self.page.get_by_role("link", name="Compare").first.click()
        expect(self.page.get_by_text("Samples compared")).to_be_visible()
        self.shot("comparison")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--key-file", type=Path, default=Path("demo/index/admin.key"))
    parser.add_argument("--report", type=Path, help="take the top of this report instead")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    options = parser.parse_args()
    program = shutil.which("chromium")
    if program is None:
        sys.exit("chromium is missing: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
            viewport=SIZE,  # type: ignore[arg-type]
            color_scheme="light",
            reduced_motion="reduce",
            base_url=options.url,
        )
        context.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        page = context.new_page()
        if options.report:
            page.set_viewport_size(REPORT_SIZE)  # type: ignore[arg-type]
            page.goto(options.report.resolve().as_uri())
            save(page, options.out / "report.png", REPORT_WIDTH)
        else:
            tour = Tour(page, options.out)
            tour.sign_in(options.key_file.read_text().strip())
            for step in (
                tour.search,
                tour.gallery,
                tour.threshold,
                tour.back_check,
                tour.review,
                tour.versions,
            ):
                step()
        context.close()


if __name__ == "__main__":
    main()
