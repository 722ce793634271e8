"""Annotation runs: only missing values, each picture once, separate failures, resumption after a kill."""

import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from uninote.annotate.ocr_rapid import RapidOcrReader
from uninote.annotate.protocol import PartialError
from uninote.annotate.run import annotate_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import ModelError, PictureError
from uninote.items import Note, Picture
from uninote.sample.canvas import Canvas
from uninote.settings import CorpusSettings


def picture(number: int, **annotations: object) -> Picture:
    return Picture.from_bytes(png(Image.new("RGB", (16, 16), (number, 0, 0))), **annotations)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@dataclass
class ByColour:
    """Annotator that describes or reads a picture by its red value; `seen` holds the values of every call."""

    name: str = "by-colour"
    lines: bool = False
    seen: list[list[int]] = field(default_factory=list)

    def __call__(self, images: Sequence[Image.Image]) -> list:
        values = [image.getpixel((0, 0))[0] for image in images]
        self.seen.append(values)
        return [self.one(value) for value in values]

    def one(self, value: int) -> object:
        return (f"line {value}",) if self.lines else f"red {value}"


@dataclass
class Refusing(ByColour):
    """Annotator that fails on odd values: with `whole` for the whole batch, else for those pictures."""

    error: Exception = field(default_factory=lambda: PictureError("too odd"))
    whole: bool = True

    def __call__(self, images: Sequence[Image.Image]) -> list:
        texts = super().__call__(images)
        odd = [value % 2 == 1 for value in self.seen[-1]]
        if any(odd) and self.whole:
            raise self.error
        if any(odd):
            raise PartialError([self.error if bad else text for bad, text in zip(odd, texts, strict=True)])
        return texts


def annotate(notes, cache: Path, describer=None, reader=None, *, report=None, workers=1) -> list[Note]:
    return annotate_notes(
        notes,
        describer,
        reader,
        CorpusSettings(),
        cache,
        workers=workers,
        report=SkipReport() if report is None else report,
        progress=False,
    )


def test_only_what_is_missing_is_filled(tmp_path):
    notes = [
        Note("a", "t", "b", (picture(1), picture(2, description="kept"), picture(3, ocr=()))),
        Note("b", "t", "b", (picture(4, description="kept", ocr=("kept",)),)),
    ]
    describer, reader = ByColour(), ByColour("reader", lines=True)
    filled = annotate(notes, tmp_path, describer, reader)
    assert [[(p.description, p.ocr) for p in note.pictures] for note in filled] == [
        [("red 1", ("line 1",)), ("kept", ("line 2",)), ("red 3", ())],
        [("kept", ("kept",))],
    ]
    assert (describer.seen, reader.seen) == ([[1, 3]], [[1, 2]])
    assert filled[0].pictures[0].read() == notes[0].pictures[0].read()


def test_one_picture_in_many_notes_is_annotated_once_and_never_again(tmp_path):
    notes = [Note(name, "t", "b", (picture(7), picture(7))) for name in "ab"]
    describer = ByColour()
    first = annotate(notes, tmp_path, describer)
    assert annotate(notes, tmp_path, describer) == first
    assert describer.seen == [[7]]
    other = ByColour("another-model")
    annotate(notes, tmp_path, other)
    assert other.seen == [[7]]


def test_without_annotators_nothing_changes(tmp_path):
    notes = [Note("a", "t", "b", (picture(1),))]
    assert annotate(notes, tmp_path) == notes


def test_a_bad_picture_is_reported_and_the_rest_continues(tmp_path):
    broken = Picture.from_bytes(b"not a picture")
    report = SkipReport()
    notes = [Note("a", "t", "b", (picture(2), broken)), Note("b", "t", "b", (broken,))]
    filled = annotate(notes, tmp_path, ByColour(), report=report)
    assert [p.description for p in filled[0].pictures] == ["red 2", ""]
    assert [(skip.note_id, skip.kind, skip.where) for skip in report] == [
        ("a", "bad picture", "pictures[1]"),
        ("b", "bad picture", "pictures[0]"),
    ]


@pytest.mark.parametrize("error", [PictureError("too odd"), RuntimeError("too odd")])
@pytest.mark.parametrize("whole", [True, False])
def test_a_failed_picture_does_not_fail_its_batch(tmp_path, whole, error):
    report = SkipReport()
    notes = [Note("a", "t", "b", tuple(picture(number) for number in range(1, 5)))]
    (filled,) = annotate(notes, tmp_path, Refusing(whole=whole, error=error), report=report)
    assert [p.description for p in filled.pictures] == ["", "red 2", "", "red 4"]
    assert [(skip.reason, skip.where) for skip in report] == [
        ("not annotated: too odd", "pictures[0]"),
        ("not annotated: too odd", "pictures[2]"),
    ]
    retried = ByColour("by-colour")
    (filled,) = annotate(notes, tmp_path, retried)
    assert retried.seen == [[1, 3]]
    assert [p.description for p in filled.pictures] == ["red 1", "red 2", "red 3", "red 4"]


def test_an_empty_description_is_reported_and_not_kept(tmp_path):
    class Silent(ByColour):
        def one(self, value: int) -> object:
            return " "

    report = SkipReport()
    notes = [Note("a", "t", "b", (picture(1),))]
    annotate(notes, tmp_path, Silent(), report=report)
    assert report.counts() == {"not annotated": 1}
    again = ByColour()
    annotate(notes, tmp_path, again)
    assert again.seen == [[1]]


def test_dead_model_stops_the_run_and_keeps_finished_batches(tmp_path):
    class DiesLater(ByColour):
        def __call__(self, images: Sequence[Image.Image]) -> list:
            if self.seen:
                raise ModelError("server is gone")
            return super().__call__(images)

    notes = [Note("a", "t", "b", tuple(picture(number) for number in range(18)))]
    with pytest.raises(ModelError, match="server is gone"):
        annotate(notes, tmp_path, DiesLater())
    resumed = ByColour()
    annotate(notes, tmp_path, resumed)
    assert resumed.seen == [[16, 17]]


KILLED = """
import io, os, sys
from pathlib import Path
from PIL import Image
from uninote.annotate.run import annotate_notes
from uninote.corpus.skips import SkipReport
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings

def picture(number):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (number, 0, 0)).save(buffer, "PNG")
    return Picture.from_bytes(buffer.getvalue())

class Reader:
    name = "dying"
    calls = 0
    def __call__(self, images):
        self.calls += 1
        if self.calls == int(sys.argv[2]):
            os._exit(9)
        values = [image.getpixel((0, 0))[0] for image in images]
        with open(Path(sys.argv[1]) / "read.txt", "a") as log:
            print(*values, file=log)
        return [(str(value),) for value in values]

notes = [Note("a", "t", "b", tuple(picture(number) for number in range(40)))]
filled = annotate_notes(notes, None, Reader(), CorpusSettings(), Path(sys.argv[1]) / "cache",
                        workers=1, report=SkipReport(), progress=True)
assert [p.ocr for p in filled[0].pictures] == [(str(number),) for number in range(40)]
"""


def test_a_killed_run_resumes_and_annotates_nothing_twice(tmp_path):
    def run(dies_at_call: int) -> int:
        command = [sys.executable, "-c", KILLED, str(tmp_path), str(dies_at_call)]
        return subprocess.run(command, check=False, timeout=120).returncode

    assert run(3) == 9
    assert len((tmp_path / "read.txt").read_text().split()) == 32
    assert run(0) == 0
    read = [int(value) for value in (tmp_path / "read.txt").read_text().split()]
    assert sorted(read) == list(range(40))


@pytest.mark.slow
def test_threads_read_every_picture(tmp_path):
    words = ["APPLE", "BREAD", "CLOUD", "DRUM", "EAGLE", "FERRY", "GUITAR", "HOTEL", "ISLAND"] * 2
    pictures = []
    for number, word in enumerate(words):
        canvas = Canvas((200, 64), "#ffffff" if number < 9 else "#f0e0c0")
        canvas.text(100, 32, word, 30, "#000000", width=180)
        pictures.append(Picture.from_bytes(png(canvas.finish())))
    broken = Picture.from_bytes(b"not a picture")
    report = SkipReport()
    notes = [Note("a", "t", "b", (*pictures, broken))]
    (filled,) = annotate(notes, tmp_path, reader=RapidOcrReader(), report=report, workers=2)
    assert [p.ocr for p in filled.pictures] == [*((word,) for word in words), None]
    assert report.counts() == {"bad picture": 1}
