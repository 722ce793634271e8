"""RapidOCR on drawn text, English and Chinese."""

import json
import pickle
import re

import pytest
from PIL import Image

from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.errors import PictureError
from uninote.sample.canvas import Canvas
from uninote.sample.notes import write_sample


@pytest.fixture(scope="module")
def reader() -> RapidOcrReader:
    return RapidOcrReader()


def drawn(*lines: str) -> Image.Image:
    canvas = Canvas((384, 60 * len(lines) + 20))
    for number, line in enumerate(lines):
        canvas.text(192, 40 + 60 * number, line, 28, "#202020", width=350)
    return canvas.finish()


def test_lines_are_read_from_top_to_bottom(reader):
    english, chinese, blank = reader([drawn("FRESH BREAD", "Open 9:00"), drawn("欢迎光临"), drawn(" ")])
    assert english == ("FRESH BREAD", "Open 9:00")
    assert chinese == ("欢迎光临",)
    assert blank == ()


def test_sample_texts_are_read(reader, tmp_path):
    path = write_sample(tmp_path, 16)
    notes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    images = [image for note in notes for image in note["images"] if image["ocr"]][:14]
    hits = []
    for image in images:
        (lines,) = reader([Image.open(tmp_path / image["path"])])
        read = letters("".join(lines))
        hits += [letters(line) in read for line in image["ocr"]]
    assert len(hits) > 25
    assert sum(hits) / len(hits) > 0.9


def letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).lower()


def test_minimum_score_drops_lines():
    assert RapidOcrReader(min_score=1.0)([drawn("FRESH BREAD")]) == [()]


def test_pickling_leaves_the_engine_out(reader):
    reader([drawn("warm up")])
    copy = pickle.loads(pickle.dumps(reader))  # noqa: S301 - what a worker process is sent
    assert "_engine" not in vars(copy)
    assert copy == reader


def test_name_changes_with_the_settings():
    names = {RapidOcrReader().name, RapidOcrReader(max_side=320).name, RapidOcrReader(min_score=0.5).name}
    assert len(names) == 3


def test_engine_failure_is_a_picture_error(reader, monkeypatch):
    def broken(_pixels):
        raise RuntimeError("out of memory")

    fresh = RapidOcrReader()
    monkeypatch.setitem(vars(fresh), "_engine", broken)
    with pytest.raises(PictureError, match="out of memory"):
        fresh([drawn("x")])
