"""RapidOCR on drawn text, English and Chinese."""

import json
import pickle
import re
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont

from uninote.annotate import ocr_rapid
from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.errors import MissingExtraError, PictureError
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


class Broken:
    def detect_and_crop(self, *_: object) -> None:
        raise RuntimeError("out of memory")


def test_engine_failure_is_a_picture_error(monkeypatch):
    fresh = RapidOcrReader()
    monkeypatch.setitem(vars(fresh), "_engine", Broken())
    with pytest.raises(PictureError, match="out of memory"):
        fresh([drawn("x")])


def test_without_the_engine_both_ways_out_are_named(monkeypatch):
    monkeypatch.setattr("uninote.extras.find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'uninote\[ocr\]'.*encoder\.read=given"):
        RapidOcrReader()([drawn("x")])


def counted(monkeypatch, reader: RapidOcrReader) -> Counter[str]:
    """Count the runs of the detector and of the recogniser."""
    runs: Counter[str] = Counter()
    reader([drawn("both models are loaded")])
    for name in ("text_det", "text_rec"):
        session = getattr(reader._engine, name).session

        def run(pixels, name=name, session=session):
            runs[name] += 1
            return session(pixels)

        monkeypatch.setattr(getattr(reader._engine, name), "session", run)
    return runs


def test_a_picture_without_text_costs_the_detector_only(reader, monkeypatch):
    runs = counted(monkeypatch, reader)
    assert reader([Image.radial_gradient("L").convert("RGB"), drawn(" ")]) == [(), ()]
    assert runs == {"text_det": 2}
    assert reader([drawn("FRESH BREAD", "Open 9:00")]) == [("FRESH BREAD", "Open 9:00")]
    assert runs == {"text_det": 3, "text_rec": 2}


def test_the_text_of_a_picture_depends_on_no_other(reader):
    images = [
        drawn("FRESH BREAD"),
        drawn("Open 9:00", "a much longer line of several words"),
        drawn("欢迎光临"),
    ]
    together = reader(images)
    assert [reader([image])[0] for image in images] == together
    with ThreadPoolExecutor(3) as pool:  # one engine for all threads
        assert [lines for (lines,) in pool.map(lambda image: reader([image]), images)] == together


WORDS = ["amber", "birch", "cedar", "daisy", "ebony", "ferns", "grape", "hazel", "iris", "jade", "kelp"]


def screenshot(width: int, lines: int, size: int = 22) -> tuple[Image.Image, tuple[str, ...]]:
    """Draw numbered lines, 40 pixels apart."""
    font = ImageFont.load_default(size)
    image = Image.new("RGB", (width, 40 * lines + 20), "#ffffff")
    texts = tuple(
        f"{n} {WORDS[n % 11]} {WORDS[n * 7 % 11]} {WORDS[n * 5 % 11]}" for n in range(100, 100 + lines)
    )
    for number, text in enumerate(texts):
        ImageDraw.Draw(image).text((30, 14 + 40 * number), text, "#202020", font)
    return image, texts


def test_a_long_screenshot_is_read_in_tiles_from_top_to_bottom(reader, monkeypatch):
    image, texts = screenshot(690, 150)
    assert image.size == (690, 6020)
    runs = counted(monkeypatch, reader)
    (lines,) = reader([image])
    assert len(lines) == len(texts)  # none is missing, and none at a seam is read twice
    assert [line.split()[0] for line in lines] == [text.split()[0] for text in texts]
    same = sum(letters(line) == letters(text) for line, text in zip(lines, texts, strict=True))
    assert same > 0.95 * len(texts)
    assert runs == {"text_det": 5, "text_rec": 150}


def test_lines_that_cross_the_seam_of_a_wide_picture_are_whole(reader):
    image = Image.new("RGB", (3000, 300), "#ffffff")
    line, font = " ".join(WORDS * 3)[:150], ImageFont.load_default(26)
    for n in range(3):
        ImageDraw.Draw(image).text((60, 40 + 80 * n), f"{n} {line}", "#202020", font)
    (lines,) = reader([image])
    assert [letters(one) for one in lines] == [letters(f"{n}{line}") for n in range(3)]


@pytest.mark.parametrize(("side", "seen"), [(640, (640, 320)), (2400, (2400, 1184))])
def test_a_large_longest_side_is_kept(side, seen, monkeypatch):
    reader = RapidOcrReader(max_side=side)
    engine = reader._engine
    engine._load_det_model()
    shapes = []
    session = engine.text_det.session
    monkeypatch.setattr(
        engine.text_det, "session", lambda pixels: shapes.append(pixels.shape) or session(pixels)
    )
    assert reader([Image.new("RGB", (2400, 1184))]) == [()]
    assert shapes == [(1, 3, *reversed(seen))]  # multiples of 32


def test_narrow_and_endless_pictures_are_read_within_bounds(reader, monkeypatch):
    runs = counted(monkeypatch, reader)
    for size in ((8, 200_000), (200_000, 8), (9, 9), (20, 60)):
        runs.clear()
        assert reader([Image.new("RGB", size)]) == [()]
        assert runs["text_det"] <= 33


@pytest.mark.slow
def test_of_a_dense_page_the_lines_at_the_top_are_kept(monkeypatch, caplog):
    # The detector finds more than the 1,000 lines that its own settings allow; reading them all takes long.
    monkeypatch.setattr(ocr_rapid, "_LINES", 100)
    image = Image.new("RGB", (1800, 1800), "#ffffff")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(16)
    for number in range(1121):
        pen.text((10 + number % 19 * 90, 10 + number // 19 * 30), f"{1000 + number}", "#000000", font)
    (lines,) = RapidOcrReader(max_side=1800)([image])
    assert len(lines) == 100
    assert [lines[n] for n in (0, 1, 99)] == ["1000", "1001", "1099"]
    assert "of 1121 lines in a picture the first 100 are read" in caplog.text


def test_the_lines_of_ordinary_sides_keep_their_cache():
    assert "-rules2-640-" in RapidOcrReader().name
    assert "-rules3-2000-" in RapidOcrReader(max_side=2000).name
