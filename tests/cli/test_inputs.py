"""Reasons for what a command leaves out of its notes, as it prints them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from uninote.cli.inputs import read
from uninote.settings import load_settings


def test_reasons_of_bad_pictures_are_printed_up_to_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{n}.svg" for n in range(7)]
    for name in names:
        (tmp_path / name).write_text("<svg/>")
    file = tmp_path / "notes.jsonl"
    file.write_text(json.dumps({"id": "a", "title": "a title", "images": names}))
    settings = load_settings(corpus={"min_pictures": 0})
    assert len(read(file, settings)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "left out: 7 x bad picture"
    assert lines[1].startswith("  notes.jsonl:1 images[0]: bad picture: picture 0.svg is SVG")
    assert (len(lines), lines[-1]) == (7, "  and 2 more")
