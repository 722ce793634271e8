from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from uninote.errors import ConfigError, PictureError
from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.late_fusion import LateFusion
from uninote.evaluation.baselines.ranker import evaluate_baseline
from uninote.evaluation.copies import EditedCopies
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.links import links_task
from uninote.evaluation.pools import CORPUS_TASKS, NEAR_TASKS
from uninote.evaluation.report import build_report, read_records, render_html, write_report
from uninote.evaluation.suite import build_suite
from uninote.evaluation.variants import Variant
from uninote.evaluation.view import explain
from uninote.tasks.definitions import SINGLE_TARGET, TWIN_TASKS, Task, in_words

POOLED = {
    Variant.STRICT: (Task.I2NOTE, Task.NOTE2I),
    Variant.TWINS: TWIN_TASKS,
    Variant.CORPUS: CORPUS_TASKS,
    Variant.NEAR: NEAR_TASKS,
}

VOID = {"meta", "input", "br", "img", "link", "hr"}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """HTML parser that collects tags with attributes and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def with_class(self, name: str) -> list[dict[str, str | None]]:
        return [attrs for _, attrs in self.tags if name in (attrs.get("class") or "").split()]


class Noisy:
    """The hash encoder of another seed, so that two stages differ."""

    uses_instructions = False

    def __init__(self, encoder) -> None:
        self.encoder, self.dims = encoder, encoder.dims

    def encode(self, items, *, task=None, dim=None, progress=False):
        return self.encoder.encode(items)[:, ::-1] ** 3


@pytest.fixture(scope="module")
def suite(make_note):
    notes = [make_note(i, links=(f"n{(i + 1) % 6}",), lang="en") for i in range(6)]
    notes.append(make_note(7, title=ATTACK, body=f"{ATTACK}. And {ATTACK} again.", category=ATTACK))
    return build_suite(notes, extra=[links_task])


@pytest.fixture
def report(suite, hash_encoder):
    stages = {
        name: evaluate(encoder, suite, bootstrap=20, samples=4)
        for name, encoder in {"base": Noisy(hash_encoder), "sft": hash_encoder}.items()
    }
    baselines = {
        "BM25": evaluate_baseline(Bm25(), suite, bootstrap=20),
        f"dual tower {ATTACK}": evaluate_baseline(LateFusion(hash_encoder), suite, bootstrap=20),
    }
    commands = {"Search": "uninote search 'a & b' --top 5"}
    return build_report(suite, stages, baselines, timing_s={"stage_1": 1.5}, commands=commands)


def test_page_is_well_formed_self_contained_and_escaped(report, suite, load) -> None:
    text = render_html(report, suite.items, load)
    page = Page(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img", "link", "iframe", "object"})
    assert "&lt;script&gt;alert(1)" in text
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        assert not any(str(attrs.get(name) or "#").startswith("http") for name in ("src", "href"))
    style = text[text.index("<style>") : text.index("</style>")]
    assert re.findall(r"url\((?!data:image/webp;base64,[A-Za-z0-9+/=]+\))", style) == []
    assert "@import" not in style
    policy = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs)
    assert "default-src 'none'" in policy


def test_page_shows_numbers_examples_and_commands(report, suite, load) -> None:
    curve = [{"step": step, "loss": 1 / (step + 1)} for step in range(4)]
    page = Page(render_html(report, suite.items, load, {"sft": curve}))
    shown = " ".join("".join(page.text).split())
    for task in [*report["stages"]["sft"]["tasks"], "Links"]:
        assert task in shown
    assert f"{100 * report['stages']['sft']['tasks']['T2Note']['recall@1']:.1f}" in shown
    assert "uninote search 'a & b' --top 5" in shown
    assert suite.fingerprint in shown
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 5
    assert len([tag for tag, _ in page.tags if tag == "details"]) == len(Task) + 1  # and Links
    assert f"One vector per item, {in_words(Task)} ways to ask" in shown
    assert f"{in_words(Task).capitalize()} tasks" in shown
    assert f"the {in_words(SINGLE_TARGET)} tasks with one relevant target" in shown
    assert page.with_class("right")
    assert page.with_class("missed")
    thumbs = {name for attrs in page.with_class("thumb") for name in attrs["class"].split()} - {"thumb"}
    assert len(thumbs) > 5
    assert page.with_class("best")


def test_page_shows_means_parts_variants_and_costs(report, suite, load) -> None:
    page = Page(render_html(report, suite.items, load))
    shown = " ".join(" ".join(page.text).split())
    stage, tower = report["stages"]["sft"], report["baselines"][f"dual tower {ATTACK}"]
    for name, mean in stage["means"].items():
        low, high = mean["mean_interval"]
        assert f"mean of {name}" in shown
        assert f"{100 * mean['mean']:.1f} {100 * low:.1f}–{100 * high:.1f}" in shown
    for task in ("I2Note", "I2Note strict", "Note2I", "Note2I strict"):
        assert f"{task}, with text 7 " in shown  # queries
    assert "Find the note that this image belongs to. The note does not hold the text" in shown
    assert "The same tasks, measured in another way" in shown
    assert "pictures of I2OCR, OCR2I as given" in shown
    times = tower["cost"]["bytes_per_note"] / stage["cost"]["bytes_per_note"]
    reached = 100 * stage["means"]["seven"]["mean"] / tower["means"]["seven"]["mean"]
    quality = f"{100 * tower['means']['seven']['mean']:.1f} {reached:.0f} %"
    assert f"8.0 2,048 {times:.1f} {quality}" in shown


def test_page_shows_harder_pools(make_note, hash_encoder, load) -> None:
    notes = [make_note(i, category="a") for i in range(6)]
    more = [make_note(i, category="a") for i in range(6, 9)]
    suite = build_suite(notes, distractors=more, near=lambda found: np.eye(len(found), dtype=np.float32))
    stages = {
        name: evaluate(encoder, suite, bootstrap=20)
        for name, encoder in {"base": Noisy(hash_encoder), "sft": hash_encoder}.items()
    }
    baselines = {"BM25": evaluate_baseline(Bm25(), suite, bootstrap=20)}
    page = Page(render_html(build_report(suite, stages, baselines), suite.items, load))
    assert page.open == []
    shown = " ".join(" ".join(page.text).split())
    assert any(attrs.get("id") == "pools" for _, attrs in page.tags)
    section = shown[shown.index("Harder pools The same queries") : shown.index("Dimensions and cost Matr")]
    names = [f"{task} {v}" for v, tasks in POOLED.items() for task in tasks]
    names += [f"{task} twins, told apart" for task in TWIN_TASKS]
    for name in names:
        assert name in section
        assert section.count(name) <= 2  # twins, and twins told apart
    assert "notes that are targets only 3" in shown
    told = stages["sft"]["extra"]["I2Note twins"]["told apart"]
    row = section[section.index("I2Note twins, told apart") :]
    assert f" {100 * told:.1f} " in row[: row.index("T2Note")]


def test_page_tells_what_stands_for_pictures_whose_text_is_sought(make_note, hash_encoder, load) -> None:
    def reread(reader):
        return lambda pictures: EditedCopies({picture.digest: picture for picture in pictures}, reader)

    for reader, told in (("some engine", "21, text read in 21 by some engine"), ("", "21, not read")):
        suite = build_suite([make_note(i) for i in range(7)], reread=reread(reader))
        report = build_report(suite, {"base": evaluate(hash_encoder, suite, bootstrap=0, samples=1)})
        page = Page(render_html(report, suite.items, load))
        shown = " ".join(" ".join(page.text).split())
        assert f"edited copies in I2OCR, OCR2I {told}" in shown
        assert "Find the text that is written in this image. The picture is an edited copy." in shown
        assert "Find the text that is written in this image. The picture itself:" in shown


def test_one_stage_without_baselines_and_with_broken_pictures_still_renders(suite, hash_encoder) -> None:
    def broken(picture):
        raise PictureError("gone")

    report = build_report(suite, {"base": evaluate(hash_encoder, suite, bootstrap=0, samples=1)})
    page = Page(render_html(report, suite.items, broken))
    assert page.open == []
    assert page.with_class("thumb")
    assert not page.with_class("up")


def test_both_files_are_written_and_json_reads_back(report, suite, load, tmp_path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1}\n{"step": 3, "lo')
    page = write_report(tmp_path / "out", report, suite, load, {"sft": metrics})
    assert page.name == "report.html"
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert "Training curves of sft" in page.read_text()
    assert len(read_records(metrics)) == 2
    assert sorted(path.name for path in page.parent.iterdir()) == ["report.html", "report.json"]


def test_a_report_needs_a_stage_and_its_own_suite(report, suite, load, make_note) -> None:
    with pytest.raises(ConfigError, match="at least one"):
        build_report(suite, {})
    with pytest.raises(ConfigError, match="another suite"):
        render_html(report, build_suite([make_note(11)]).items, load)


def test_explanations_read_as_one_line() -> None:
    why = {"pictures": 1, "ocr": ["Save as"], "words": ["save"]}
    assert explain(why) == "same picture; same text in picture: “Save as”"
    near = {"words": ["river", "port"], "nearest": {"part": "picture 2", "score": 0.714}}
    assert explain(near) == "shared words: river, port; nearest part: picture 2 (0.71)"
    assert explain({}) == "no word, line or picture in common"
