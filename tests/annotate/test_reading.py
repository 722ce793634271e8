"""Reader of pictures: each is read once, by whichever thread asks first, and kept in memory and on disk."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from uninote.annotate.reading import PictureReader
from uninote.annotate.run import annotate_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import MissingExtraError, ModelError, PictureError
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings

BROKEN = Picture.from_bytes(b"not a picture")


def picture(number: int) -> Picture:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (number, 0, 0)).save(file, "PNG")
    return Picture.from_bytes(file.getvalue())


class ByColour:
    """Reads the red value of a picture; `seen` holds every value that was read."""

    name = "by-colour"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        values = [image.getpixel((0, 0))[0] for image in images]
        self.seen += values
        return [(f"line {value}",) if value else () for value in values]


def reader(engine: ByColour, folder: Path | None = None, workers: int = 1) -> PictureReader:
    return PictureReader(engine, CorpusSettings(), folder, workers)


def test_lines_come_by_digest_and_errors_beside_them() -> None:
    pictures = [picture(0), picture(5), picture(5), BROKEN]
    found = reader(ByColour()).read(pictures)
    error = found.pop(BROKEN.digest)
    assert found == {pictures[0].digest: (), pictures[1].digest: ("line 5",)}
    assert isinstance(error, PictureError)
    assert "bad picture" in str(error)


def test_each_picture_is_read_once_and_an_error_is_tried_again() -> None:
    engine = ByColour()
    cached = reader(engine)
    first = cached.read([picture(1), picture(2)])
    assert cached.read([picture(2), picture(1)]) == first
    assert sorted(engine.seen) == [1, 2]
    assert isinstance(cached.read([BROKEN])[BROKEN.digest], PictureError)
    assert isinstance(cached.read([BROKEN])[BROKEN.digest], PictureError)


def test_the_cache_on_disk_is_that_of_annotation(tmp_path: Path) -> None:
    engine = ByColour()
    note = Note("a", "t", "b", (picture(3),))
    options = {"workers": 1, "report": SkipReport(), "progress": False}
    (filled,) = annotate_notes([note], None, engine, CorpusSettings(), tmp_path, **options)
    assert reader(engine, tmp_path).read(note.pictures) == {note.pictures[0].digest: filled.pictures[0].ocr}
    assert engine.seen == [3]
    reader(engine, tmp_path).read([picture(4)])
    annotate_notes([Note("b", "t", "b", (picture(4),))], None, engine, CorpusSettings(), tmp_path, **options)
    assert engine.seen == [3, 4]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("on_disk", [True, False])
def test_threads_read_what_one_reads(tmp_path: Path, workers: int, on_disk: bool) -> None:
    pictures = [picture(number) for number in range(40)]
    plain = {one.digest: lines for one, lines in zip(pictures, ByColour()(images(pictures)), strict=True)}
    engine = ByColour()
    assert reader(engine, tmp_path if on_disk else None, workers).read(pictures) == plain
    assert sorted(engine.seen) == list(range(40))


def images(pictures: Sequence[Picture]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(one.read())) for one in pictures]


class Held(ByColour):
    """Waits for `go` before it reads; `error` is raised instead, if set."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def __call__(self, images: Sequence[Image.Image]) -> list[tuple[str, ...]]:
        self.begun.set()
        assert self.go.wait(30)
        if self.error is not None:
            raise self.error
        return super().__call__(images)


def test_a_picture_that_is_being_read_is_waited_for() -> None:
    engine = Held()
    cached = reader(engine)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.read, [picture(7)])
        assert engine.begun.wait(30)
        second = pool.submit(cached.read, [picture(7), picture(8)])
        engine.go.set()
        assert second.result() == first.result() | {picture(8).digest: ("line 8",)}
    assert sorted(engine.seen) == [7, 8]


@pytest.mark.parametrize("kind", [MissingExtraError, ModelError])
def test_a_reader_that_fails_altogether_fails_all_and_holds_nothing_back(kind: type[Exception]) -> None:
    engine = Held()
    engine.error = kind("no engine")
    cached = reader(engine)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.read, [picture(7)])
        assert engine.begun.wait(30)
        engine.go.set()
        with pytest.raises(kind, match="no engine"):
            first.result()
    engine.error = None
    assert cached.read([picture(7)]) == {picture(7).digest: ("line 7",)}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uninote.annotate.reading.REMEMBERED", 250)
    engine = ByColour()
    cached = reader(engine)
    for number in (1, 2, 3, 3, 1):
        cached.read([picture(number)])
    assert engine.seen == [1, 2, 3, 1]
