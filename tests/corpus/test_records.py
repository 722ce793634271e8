from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uninote.corpus.records import Entry, build_note
from uninote.corpus.skips import Skip
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings

Make = Callable[..., bytes]


def build(
    base: Path | None, capped: CorpusSettings | None = None, **record: Any
) -> tuple[Note | None, list[Skip]]:
    return build_note(Entry(record, "here", base), capped or CorpusSettings())


def test_all_fields_are_read(tmp_path: Path, png: Make) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    note, skips = build(
        tmp_path,
        id=7,
        title="t",
        body="b",
        category="c",
        tags=["x"],
        links=["n1", 2],
        lang="zh",
        likes=3.0,
        source="s",
        images=[{"path": "a.png", "alt": "d", "ocr": ["l1", "l2"], "caption": "unused"}],
        unknown={"ignored": True},
    )
    picture = Picture.from_bytes(png(1), description="d", ocr=("l1", "l2"))
    assert skips == []
    assert note == Note("7", "t", "b", (picture,), "c", ("x",), ("n1", "2"), "zh", 3, "s")


def test_null_is_absent_and_missing_ocr_is_not_empty_ocr(png: Make) -> None:
    note, skips = build(
        None,
        id="a",
        title=None,
        tags=None,
        likes=None,
        images=[{"bytes": png(1), "alt": None, "ocr": None}, {"bytes": png(2), "ocr": []}],
    )
    assert skips == []
    assert note is not None
    assert [picture.ocr for picture in note.pictures] == [None, ()]
    assert (note.likes, note.tags) == (None, ())


def test_every_spelling_of_a_picture(tmp_path: Path, png: Make) -> None:
    (tmp_path / "a.png").write_bytes(png(1))
    spellings: list[Any] = [
        "a.png",
        str(tmp_path / "a.png"),
        png(1),
        {"path": "a.png"},
        {"bytes": None, "path": "a.png"},
        {"bytes": png(1), "path": "/elsewhere/original.png"},
        {"image": "a.png"},
        {"image": {"bytes": png(1), "path": None}},
    ]
    for spelling in spellings:
        for field in ({"images": [spelling]}, {"image": spelling}):
            note, skips = build(tmp_path, id="a", **field)
            assert skips == []
            assert note is not None
            assert note.pictures == (Picture.from_bytes(png(1)),)
    note, _ = build(tmp_path, id="a", images=[{"image": {"bytes": png(1)}, "description": "d", "ocr": ["x"]}])
    assert note is not None
    assert note.pictures == (Picture.from_bytes(png(1), description="d", ocr=("x",)),)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("../a.png", "outside the folder"),
        ("/etc/passwd", "outside the folder"),
        ("gone.png", "cannot be read"),
        ("empty.png", "empty"),
        ("text.png", "known format"),
        (3, "with either, not a number"),
        (None, "with either, not null"),
        ({}, "neither a path nor bytes"),
        ({"path": 3}, "wrong type: path"),
        ({"path": "good.png", "ocr": "not a list"}, "wrong type: ocr"),
        ({"path": "good.png", "alt": 3}, "wrong type: alt"),
        (b"junk", "known format"),
    ],
)
def test_a_bad_picture_is_dropped_and_the_note_stays(
    tmp_path: Path, png: Make, given: Any, reason: str
) -> None:
    (tmp_path / "good.png").write_bytes(png(1))
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path.parent / "a.png").write_bytes(png(2))
    note, skips = build(tmp_path, id="n", images=[given, "good.png"])
    assert note is not None
    assert note.pictures == (Picture.from_bytes(png(1)),)
    (skip,) = skips
    assert (skip.note_id, skip.kind, skip.where) == ("n", "bad picture", "here images[0]")
    assert reason in skip.reason
    if isinstance(given, str):
        assert given in skip.reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, "missing id"),
        ({"id": ""}, "missing id"),
        ({"id": None}, "missing id"),
        ({"id": ["a"], "title": "t"}, "wrong type: id"),
        ({"id": True, "title": "t"}, "wrong type: id"),
        ({"id": "n", "title": 3}, "wrong type: title"),
        ({"id": "n", "title": "t", "tags": "x"}, "wrong type: tags"),
        ({"id": "n", "title": "t", "links": [{}]}, "wrong type: links.0"),
        ({"id": "n", "title": "t", "likes": "many"}, "wrong type: likes"),
        ({"id": "n", "title": "t", "likes": 1.5}, "wrong type: likes"),
        ({"id": "n", "title": "t", "likes": True}, "wrong type: likes"),
        ({"id": "n", "title": "t", "images": {"path": "a"}}, "wrong type: images"),
        ({"id": "n", "title": "t", "video": 5}, "wrong type: video"),
        ({"id": "n"}, "empty note"),
        ({"id": "n", "title": " ", "body": "\n"}, "empty note"),
    ],
)
def test_a_bad_record_is_one_skip(record: dict[str, Any], reason: str) -> None:
    note, skips = build(None, **record)
    assert note is None
    (skip,) = skips
    assert reason in skip.reason
    assert skip.where == "here"
    assert skip.note_id == ("n" if record.get("id") == "n" else skip.note_id)


def test_a_note_with_nothing_but_bad_pictures_is_empty(tmp_path: Path) -> None:
    note, skips = build(tmp_path, id="n", images=["gone.png"])
    assert note is None
    assert [skip.kind for skip in skips] == ["bad picture", "empty note"]


def test_too_many_pictures_are_trimmed_to_the_first_usable(tmp_path: Path, png: Make) -> None:
    images: list[Any] = [b"junk", *(png(seed) for seed in range(5))]
    note, skips = build(None, CorpusSettings(max_pictures=3), id="n", images=images)
    assert note is not None
    assert note.pictures == tuple(Picture.from_bytes(png(seed)) for seed in range(3))
    assert [skip.kind for skip in skips] == ["bad picture", "trimmed"]
    note, skips = build(None, CorpusSettings(max_pictures=5), id="n", images=images[1:])
    assert note is not None
    assert len(note.pictures) == 5
    assert skips == []


def test_video_frames_are_appended_within_the_picture_cap(
    tmp_path: Path, png: Make, film: Callable[..., Path]
) -> None:
    film("clip.mp4")
    note, skips = build(tmp_path, id="n", images=[png()], video="clip.mp4")
    assert skips == []
    assert note is not None
    assert len(note.pictures) == 1 + 8
    assert note.pictures[0] == Picture.from_bytes(png())
    note, _ = build(tmp_path, CorpusSettings(max_pictures=4), id="n", images=[png()], video=["clip.mp4"])
    assert note is not None
    assert len(note.pictures) == 4
    note, skips = build(tmp_path, CorpusSettings(max_pictures=1), id="n", images=[png()], video="clip.mp4")
    assert note is not None
    assert len(note.pictures) == 1
    assert [skip.kind for skip in skips] == ["bad video"]


@pytest.mark.parametrize(
    ("video", "reason"),
    [("../clip.mp4", "outside"), ("gone.mp4", "does not exist"), ("junk.mp4", "cannot be decoded")],
)
def test_a_bad_video_is_a_skip(tmp_path: Path, video: str, reason: str) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"junk" * 50)
    note, skips = build(tmp_path, id="n", title="t", video=video)
    assert note == Note("n", title="t")
    (skip,) = skips
    assert (skip.note_id, skip.kind) == ("n", "bad video")
    assert reason in skip.reason


def test_characters_no_store_can_hold_are_replaced() -> None:
    note, _ = build(None, id="a\x00", title="x\ud800y", body="\ud83d\ude00 \ufeffz")
    assert note == Note("a\ufffd", title="x\ufffdy", body="😀 \ufeffz")
