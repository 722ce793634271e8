from __future__ import annotations

import pytest
from rich.console import Console

from uninote.evaluation.baselines.bm25 import Bm25
from uninote.evaluation.baselines.one_vector import OneVector
from uninote.evaluation.baselines.phash import perceptual_hash
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.hard.run import DUPLICATES, FILED, LANGUAGES, MODALITIES, evaluate_hard, hard_tasks
from uninote.evaluation.hard.terminal import terminal_tables
from uninote.evaluation.hard.transforms import TRANSFORMS
from uninote.evaluation.hard.view import SHARE, duplicate_charts, hard_tables
from uninote.evaluation.report import build_report, render_html
from uninote.evaluation.suite import build_suite


@pytest.fixture(scope="module")
def notes(make_note):
    return [
        make_note(
            i, category=f"book {i % 2}", tags=(f"part {i % 4}",), lang=("en", "zh")[i // 4], links=links
        )
        for i, links in enumerate([("n1",), (), (), ("n0",), (), (), (), ()])
    ]


@pytest.fixture(scope="module")
def groups(notes, load):
    return hard_tasks(notes, load, queries=3, seed=0)


@pytest.fixture(scope="module")
def hard(notes, groups, lookup_encoder, load):
    hashing = lookup_encoder.__bases__[0]()
    methods = {"model": OneVector(hashing), "perceptual hash": perceptual_hash(load), "BM25": Bm25()}
    return evaluate_hard(methods, groups, notes, ks=(1, 5), bootstrap=20)


def test_all_tasks_that_the_notes_allow_are_built(groups) -> None:
    names = {group: [task.name for task in tasks] for group, tasks in groups.items()}
    assert len(names[DUPLICATES]) == 16
    assert names[FILED] == ["Links", "Chapters"]
    assert names[LANGUAGES] == ["en → zh", "zh → en"]
    assert names[MODALITIES][:3] == ["Note2Note: both", "Note2Note: texts", "Note2Note: pictures"]


def test_notes_without_links_chapters_or_languages_get_the_rest(make_note, load) -> None:
    groups = hard_tasks([make_note(i) for i in range(3)], load, queries=1)
    assert list(groups) == [DUPLICATES, MODALITIES]


def test_every_method_is_measured_on_every_task(hard, groups) -> None:
    for group, tasks in groups.items():
        for task in tasks:
            entries = hard["groups"][group][task.name]
            assert list(entries) == ["model", "perceptual hash", "BM25"]
            assert all(0 <= entry["recall@1"] <= 1 for entry in entries.values())
    assert "note" in hard["groups"][DUPLICATES]["crop: picture"]["BM25"]
    assert set(hard["picture_share"]) == {"Note2Note", "Links", "Chapters"}
    assert list(hard["picture_share"]["Links"]) == ["model"]


def test_tables_show_percent_and_leave_blind_methods_out(hard) -> None:
    tables = {table.group: table for table in hard_tables(hard)}
    assert list(tables) == [DUPLICATES, FILED, LANGUAGES, MODALITIES, SHARE]
    first = tables[DUPLICATES]
    assert first.columns == ["", "model", "perceptual hash", "BM25"]
    row = next(row for row in first.rows if row[0] == "resize: picture")
    assert row[2:] == [100.0, None]
    assert [row[0] for row in tables[FILED].rows][:2] == ["Links, precision@1", "Links, nDCG@5"]
    assert all(
        len(bounds) == len(row) - 1
        for t in tables.values()
        for row, bounds in zip(t.rows, t.bounds, strict=True)
    )


def test_charts_and_page_and_terminal(hard, notes, hash_encoder, load) -> None:
    charts = duplicate_charts(hard)
    assert list(charts) == ["among all pictures", "among all notes"]
    assert all("perceptual hash" in svg for svg in charts.values())
    # An edited picture brings no text; the note it was moved to has words, and so have other pictures.
    blind = [task for task, entries in hard["groups"][DUPLICATES].items() if "note" in entries["BM25"]]
    assert blind == [f"{edit}: {pool}" for edit in TRANSFORMS for pool in ("picture", "note")]
    suite = build_suite(notes)
    report = build_report(suite, {"m": evaluate(hash_encoder, suite, bootstrap=0)}, hard=hard)
    page = render_html(report, suite.items, load)
    assert 'id="hard"' in page
    assert "recompressed: note" in page
    plain = render_html(build_report(suite, report["stages"]), suite.items, load)
    assert 'id="hard"' not in plain
    console = Console(width=200, record=True)
    for table in terminal_tables(hard):
        console.print(table)
    assert "zh → en, precision@1" in console.export_text()
