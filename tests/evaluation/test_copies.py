from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from uninote.annotate import factory
from uninote.errors import MissingExtraError, PictureError
from uninote.evaluation.copies import EditedCopies, edited, edited_copies, rereading
from uninote.evaluation.suite import build_suite
from uninote.items import Item, Picture
from uninote.settings import CorpusSettings, load_settings
from uninote.tasks.definitions import Task

SETTINGS = CorpusSettings()


class SizeReader:
    """Reads the size of a picture as its text, and fails on a square one."""

    name = "size"

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        self.seen += len(images)
        if any(image.width == image.height for image in images):
            raise PictureError("square")
        return [(f"{image.width} x {image.height}",) for image in images]


def blocks(width: int, height: int, seed: int = 0) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height))


def png(image: Image.Image, **fields: object) -> Picture:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return Picture.from_bytes(buffer.getvalue(), **fields)


def test_a_copy_has_four_fifths_of_each_side_and_the_same_look() -> None:
    image = blocks(100, 60)
    copy = Image.open(io.BytesIO(edited(image)))
    assert (copy.format, copy.size) == ("JPEG", (80, 48))
    same = np.asarray(image.resize((80, 48), Image.Resampling.BICUBIC), dtype=float)
    assert 0 < np.abs(np.asarray(copy, dtype=float) - same).mean() < 8
    assert edited(image) == edited(image)


def test_no_side_gets_shorter_than_the_corpus_allows() -> None:
    assert Image.open(io.BytesIO(edited(blocks(100, 9), 8))).size == (80, 8)
    assert Image.open(io.BytesIO(edited(blocks(100, 6), 8))).size == (80, 6)  # as short as it was


def test_a_copy_is_read_again_and_has_nothing_of_the_original(tmp_path) -> None:
    pictures = [png(blocks(100, 60), description="d", ocr=("given",)), png(blocks(50, 50))]
    copies = edited_copies(pictures, reader=SizeReader(), settings=SETTINGS, folder=tmp_path, workers=1)
    read, failed = (copies.pictures[picture.digest] for picture in pictures)
    assert (read.description, read.ocr) == ("", ("80 x 48",))
    assert read.digest != pictures[0].digest
    assert failed.ocr is None
    assert copies.facts() == {"pictures": 2, "reader": "size", "with_text": 1}


def test_copies_and_readings_are_made_once(tmp_path) -> None:
    pictures = [png(blocks(100, 60 + n), ocr=("given",)) for n in range(5)]
    reader = SizeReader()
    options = {"reader": reader, "settings": SETTINGS, "folder": tmp_path, "workers": 1}
    first = edited_copies([*pictures, *pictures], **options)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("copies-*/*")}
    assert len(written) == reader.seen == 5
    assert edited_copies(pictures, **options) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("copies-*/*")} == written
    assert reader.seen == 5


def test_a_picture_that_cannot_be_decoded_has_no_copy(tmp_path) -> None:
    good, bad = png(blocks(40, 30)), Picture.from_bytes(b"no picture")
    copies = edited_copies([good, bad], reader=None, settings=SETTINGS, folder=tmp_path)
    assert list(copies.pictures) == [good.digest]
    assert copies.of(Item.of(bad)) is None
    copied = copies.of(Item.of(good, "words"))
    assert copied == Item.of(copies.pictures[good.digest], "words")


def test_without_an_engine_copies_are_not_read(tmp_path, monkeypatch) -> None:
    picture = png(blocks(40, 30), ocr=("given",))

    def missing(*extras: str) -> None:
        raise MissingExtraError("pip install uninote[ocr]")

    monkeypatch.setattr(factory, "require", missing)
    for ocr in ("existing", "none", "rapidocr"):
        copies = rereading(load_settings(annotate={"ocr": ocr}), tmp_path)([picture])
        assert copies.pictures[picture.digest].ocr is None
        assert copies.reader == ""


@pytest.mark.slow
def test_the_real_engine_reads_a_copy(tmp_path) -> None:
    image = Image.new("RGB", (420, 120), "white")
    ImageDraw.Draw(image).text((24, 34), "HARBOUR", "black", ImageFont.load_default(44))
    picture = png(image, ocr=("given",))
    copies = rereading(load_settings(annotate={"workers": 1}), tmp_path)([picture])
    assert copies.reader.startswith("rapidocr")
    assert copies.pictures[picture.digest].ocr == ("HARBOUR",)


def test_the_suite_shows_copies_where_the_text_of_a_picture_is_sought(make_note, tmp_path) -> None:
    notes = [make_note(number) for number in range(4)]
    calls: list[list[Picture]] = []

    def reread(pictures: Sequence[Picture]) -> EditedCopies:
        calls.append(list(pictures))
        return edited_copies(pictures, reader=SizeReader(), settings=SETTINGS, folder=tmp_path, workers=1)

    plain, suite = build_suite(notes), build_suite(notes, reread=reread)
    originals = {picture.digest for note in notes for picture in note.pictures}
    (asked,) = calls
    assert {picture.digest for picture in asked} == originals
    given, copied = ({task.name: task for task in made.all_tasks} for made in (plain, suite))
    shown = {query.item.pictures[0] for query in copied["I2OCR"].queries}
    assert len(shown) == len(originals)
    assert {picture.digest for picture in shown}.isdisjoint(originals)
    assert {picture.ocr for picture in shown} == {("38 x 32",)}
    assert shown == {target.pictures[0] for target in copied["OCR2I"].targets}
    assert copied["I2OCR"].targets == given["I2OCR"].targets
    # Measured with the pictures themselves as extra tasks; nothing else changes.
    for task in (Task.I2OCR, Task.OCR2I):
        same = copied[f"{task} same reading"]
        assert (same.queries, same.targets) == (given[task].queries, given[task].targets)
        assert same.instruction is task
    for name in given.keys() - {"I2OCR", "OCR2I"}:
        assert copied[name].queries == given[name].queries
    assert suite.facts()["edited_copies"] == {"pictures": 12, "reader": "size", "with_text": 12}
    assert plain.facts()["edited_copies"] is None


def test_a_pair_without_its_copy_is_left_out(make_note) -> None:
    notes = [make_note(number) for number in range(3)]
    lost = notes[0].pictures[0]

    def reread(pictures: Sequence[Picture]) -> EditedCopies:
        return EditedCopies({picture.digest: picture for picture in pictures if picture != lost})

    by_name = {task.name: task for task in build_suite(notes, reread=reread).all_tasks}
    assert len(by_name["I2OCR"].queries) == 8
    assert len(by_name["I2OCR same reading"].queries) == 9
