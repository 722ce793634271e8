import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from uninote.corpus.readers import read_notes, write_notes
from uninote.corpus.skips import SkipReport
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings

Make = Callable[..., bytes]
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=12)


@st.composite
def notes(draw: st.DrawFn, sources: list[bytes]) -> Note:
    pictures = [
        Picture.from_bytes(
            data,
            description=draw(texts),
            ocr=draw(st.none() | st.lists(texts, max_size=3).map(tuple)),
            frame=draw(st.booleans()),
        )
        for data in draw(st.lists(st.sampled_from(sources), max_size=3))
    ]
    return Note(
        draw(texts.filter(bool)),
        title=draw(texts),
        body="x" + draw(texts),
        pictures=tuple(pictures),
        category=draw(texts),
        tags=tuple(draw(st.lists(texts, max_size=2))),
        links=tuple(draw(st.lists(texts, max_size=2))),
        lang=draw(texts),
        likes=draw(st.none() | st.integers(-5, 10**12)),
        source=draw(texts),
    )


@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(data=st.data())
def test_notes_round_trip(tmp_path: Path, png: Make, data: st.DataObject) -> None:
    sources = [png(1), png(2, "JPEG"), png(3, "WEBP")]
    written = data.draw(st.lists(notes(sources), max_size=4, unique_by=lambda note: note.id))
    report = SkipReport()
    path = write_notes(written, tmp_path / "out.jsonl")
    assert read_notes(path, CorpusSettings(), report) == written
    assert len(report) == 0


def test_pictures_are_stored_once_and_referenced_when_inside(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    out = tmp_path / "out"
    (out / "images").mkdir(parents=True)
    (out / "images" / "in.png").write_bytes(png(1))
    (tmp_path / "outside.jpg").write_bytes(png(2, "JPEG"))
    inside = Picture.from_path(out / "images" / "in.png", description="d")
    outside = Picture.from_path(tmp_path / "outside.jpg", ocr=())
    memory = Picture.from_bytes(png(2, "JPEG"), ocr=("line",))
    written = [Note("a", pictures=(inside, outside)), Note("b", pictures=(memory,))]
    path = write_notes(written, out / "notes.jsonl")
    first, second = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    stored = f"notes_images/{outside.digest}.jpeg"
    assert first["images"] == [
        {"path": "images/in.png", "alt": "d"},
        {"path": stored, "alt": "", "ocr": []},
    ]
    assert second["images"] == [{"path": stored, "alt": "", "ocr": ["line"]}]
    assert [file.name for file in (out / "notes_images").iterdir()] == [f"{outside.digest}.jpeg"]
    (tmp_path / "outside.jpg").unlink()
    assert read_notes(path, settings, report) == written
    moved = tmp_path / "moved"
    out.rename(moved)
    assert read_notes(moved / "notes.jsonl", settings, report) == written


def test_pictures_are_linked_if_possible(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    file = tmp_path / "outside.png"
    file.write_bytes(png(1))
    written = [Note("a", pictures=(Picture.from_path(file), Picture.from_bytes(png(2))))]
    path = write_notes(written, tmp_path / "out" / "notes.jsonl", link=True)
    assert read_notes(path, settings, report) == written
    kept = path.parent / "notes_images" / f"{written[0].pictures[0].digest}.png"
    assert kept.samefile(file)
    file.unlink()
    assert read_notes(path, settings, report) == written


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, png: Make) -> None:
    path = write_notes([Note("old", title="t")], tmp_path / "notes.jsonl")
    before = path.read_bytes()

    def stopped() -> Iterator[Note]:
        yield Note("new", title="t")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_notes(stopped(), path)
    assert path.read_bytes() == before


def test_a_lost_picture_is_left_out_of_its_note(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport, caplog: pytest.LogCaptureFixture
) -> None:
    gone, kept = Picture("0" * 64, tmp_path.parent / "gone.png"), Picture.from_bytes(png())
    path = write_notes([Note("x", "a title", pictures=(gone, kept))], tmp_path / "notes.jsonl")
    assert read_notes(path, settings, report) == [Note("x", "a title", pictures=(kept,))]
    assert "left out of note x: picture" in caplog.text


def test_unreadable_bytes_are_written_as_they_are(tmp_path: Path, report: SkipReport) -> None:
    path = write_notes([Note("a", title="t", pictures=(Picture.from_bytes(b"junk"),))], tmp_path / "n.jsonl")
    assert read_notes(path, CorpusSettings(), report) == [Note("a", title="t")]
    assert report.counts() == {"bad picture": 1}
