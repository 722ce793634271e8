import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from uninote.corpus.readers import notes_from_dataset, notes_from_records, read_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import NoteError
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings

Make = Callable[..., bytes]


def saved(folder: Path, name: str, data: bytes) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return name


# JSONL


def test_jsonl_skips_each_bad_line_and_continues(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    saved(tmp_path, "images/a.png", png(1))
    lines = [
        b'\xef\xbb\xbf{"id": "one", "title": "first", "images": [{"path": "images/a.png", "alt": "A"}]}',
        b'{"id": "bad utf", "title": "\xff\xfe"}',
        b'{"id": "cut", "title": ',
        b"",
        b'["not", "an", "object"]',
        b'{"title": "no id"}',
        b'{"id": "one", "title": "again"}',
        b'{"id": "empty"}',
        b'{"id": "typed", "title": 5}',
        b'{"id": "deep", "title": ' + b"[" * 100_000,
        b'{"id": "long", "likes": ' + b"9" * 5000 + b"}",
        b'{"id": "two", "title": "\xe4\xb8\xad\xe6\x96\x87", "images": ["images/a.png", "../x.png"]}\r',
    ]
    path = tmp_path / "notes.jsonl"
    path.write_bytes(b"\n".join(lines))
    notes = read_notes(path, settings, report)
    assert notes == [
        Note("one", title="first", pictures=(Picture.from_bytes(png(1), description="A"),)),
        Note("two", title="中文", pictures=(Picture.from_bytes(png(1)),)),
    ]
    assert [(skip.note_id, skip.kind, skip.where) for skip in report] == [
        ("", "bad encoding", "notes.jsonl:2"),
        ("", "bad JSON", "notes.jsonl:3"),
        ("", "wrong type", "notes.jsonl:5"),
        ("", "missing id", "notes.jsonl:6"),
        ("one", "duplicate id", "notes.jsonl:7"),
        ("empty", "empty note", "notes.jsonl:8"),
        ("typed", "wrong type", "notes.jsonl:9"),
        ("", "bad JSON", "notes.jsonl:10"),
        ("", "bad JSON", "notes.jsonl:11"),
        ("two", "bad picture", "notes.jsonl:12 images[1]"),
    ]


def test_jsonl_order_survives_the_pool(tmp_path: Path, settings: CorpusSettings, report: SkipReport) -> None:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"id": f"n{i}", "title": "t"}) + "\n" for i in range(1000)))
    assert [note.id for note in read_notes(path, settings, report)] == [f"n{i}" for i in range(1000)]


def test_a_skipped_note_does_not_take_the_id(
    tmp_path: Path, settings: CorpusSettings, report: SkipReport
) -> None:
    path = tmp_path / "notes.jsonl"
    path.write_text('{"id": "a"}\n{"id": "a", "title": "t"}\n')
    assert read_notes(path, settings, report) == [Note("a", title="t")]


# Parquet


def test_parquet_with_paths_bytes_and_structs(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    saved(tmp_path, "a.png", png(1))
    tables: dict[str, list[Any]] = {
        "paths": ["a.png", "gone.png"],
        "bytes": [png(1), b"junk"],
        "structs": [{"bytes": png(1), "path": "x.png"}, {"bytes": None, "path": "gone.png"}],
    }
    for name, images in tables.items():
        rows = [{"id": 1, "title": "t", "images": images, "likes": 4}, {"id": 1, "title": "u"}, {"id": None}]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
        report = SkipReport()
        notes = read_notes(tmp_path / f"{name}.parquet", settings, report)
        assert notes == [Note("1", title="t", pictures=(Picture.from_bytes(png(1)),), likes=4)]
        assert [(skip.kind, skip.where) for skip in report] == [
            ("bad picture", f"{name}.parquet row 0 images[1]"),
            ("duplicate id", f"{name}.parquet row 1"),
            ("missing id", f"{name}.parquet row 2"),
        ]


def test_a_damaged_row_group_is_skipped_alone(
    tmp_path: Path, settings: CorpusSettings, report: SkipReport
) -> None:
    path = tmp_path / "notes.parquet"
    table = pa.table({"id": [f"n{i}" for i in range(30)], "title": [f"title {i}" for i in range(30)]})
    pq.write_table(table, path, row_group_size=10, compression="zstd")
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(1)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)
    notes = read_notes(path, settings, report)
    assert [note.id for note in notes] == [f"n{i}" for i in [*range(10), *range(20, 30)]]
    assert [(skip.kind, skip.where) for skip in report] == [("bad Parquet", "notes.parquet rows 10 to 19")]


# Folder


def test_folder_of_notes(tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport) -> None:
    root = tmp_path / "posts"
    for name in ("10.png", "2.png", "cover.JPG"):
        saved(root, f"b/{name}", png(int(name[:2]) if name[0] == "1" else len(name)))
    saved(root, "b/2.txt", b"second\n")
    saved(root, "b/10.png.txt", b"tenth")
    saved(root, "b/note.txt", "Title\r\n\r\nBody 中文\r\nmore\r\n".encode())
    saved(root, "a/readme.md", b"# Heading\nText")
    saved(
        root,
        "c/note.json",
        b'{"id": "own id", "title": "j", "links": ["a"], "images": [{"path": "p.png", "alt": "x"}]}',
    )
    saved(root, "c/p.png", png(3))
    saved(root, "c/unlisted.png", png(4))
    saved(root, "d/note.json", b"{broken")
    saved(root, "e/note.txt", b"\xff\xfe")
    saved(root, "f/empty.bin", b"")
    saved(root, "g/only.png", png(5))
    saved(root, ".hidden/note.txt", b"Hidden")
    (root / "h").symlink_to(tmp_path)
    notes = read_notes(root, settings, report)
    assert notes == [
        Note("a", title="Heading", body="Text"),
        Note(
            "b",
            title="Title",
            body="Body 中文\nmore",
            pictures=(
                Picture.from_bytes(png(5), description="second"),
                Picture.from_bytes(png(10), description="tenth"),
                Picture.from_bytes(png(9)),
            ),
        ),
        Note("own id", title="j", links=("a",), pictures=(Picture.from_bytes(png(3), description="x"),)),
        Note("g", pictures=(Picture.from_bytes(png(5)),)),
    ]
    assert [(skip.note_id, skip.kind) for skip in report] == [
        ("d", "bad JSON"),
        ("e", "bad encoding"),
        ("f", "empty note"),
        ("h", "bad folder"),
    ]


def test_folder_video_becomes_frames(
    tmp_path: Path, film: Callable[..., Path], settings: CorpusSettings, report: SkipReport
) -> None:
    (tmp_path / "posts" / "a").mkdir(parents=True)
    film().rename(tmp_path / "posts" / "a" / "clip.mp4")
    (note,) = read_notes(tmp_path / "posts", settings, report)
    assert len(note.pictures) == 8
    assert len(report) == 0


def test_folder_text_may_not_be_a_link_to_elsewhere(
    tmp_path: Path, settings: CorpusSettings, report: SkipReport
) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "posts" / "a").mkdir(parents=True)
    (tmp_path / "posts" / "a" / "note.txt").symlink_to(tmp_path / "secret")
    assert read_notes(tmp_path / "posts", settings, report) == []
    (skip,) = report
    assert "outside the folder" in skip.reason


# Hugging Face datasets


def dataset(png: Make) -> datasets.Dataset:
    rows = {
        "id": ["a", "b", "b"],
        "title": ["t", "u", "v"],
        "images": [[{"bytes": png(1), "path": None}, {"bytes": b"junk", "path": None}], [], []],
        "image": [{"bytes": png(2), "path": "x.png"}, None, None],
    }
    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "title": datasets.Value("string"),
            "images": datasets.List(datasets.Image()),
            "image": datasets.Image(),
        }
    )
    return datasets.Dataset.from_dict(rows, features=features)


def test_dataset_pictures_stay_undecoded(
    png: Make, settings: CorpusSettings, report: SkipReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*args: object, **kwargs: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(datasets.Image, "decode_example", decoded)
    for source in (dataset(png), dataset(png).to_iterable_dataset()):
        report = SkipReport()
        notes = notes_from_dataset(source, settings, report)
        assert [note.id for note in notes] == ["a", "b"]
        assert notes[0].pictures == (Picture.from_bytes(png(2)), Picture.from_bytes(png(1)))
        assert [(skip.kind, skip.where.split()[-1]) for skip in report] == [
            ("bad picture", "images[2]"),
            ("duplicate id", "2"),
        ]


def test_dataset_paths_need_a_base(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    saved(tmp_path, "a.png", png(1))
    source = datasets.Dataset.from_dict({"id": ["a"], "title": ["t"], "image": [str(tmp_path / "a.png")]})
    source = source.cast_column("image", datasets.Image())
    (bare,) = notes_from_dataset(source, settings, report)
    assert bare.pictures == ()
    assert [skip.kind for skip in report] == ["bad picture"]
    (full,) = notes_from_dataset(source, settings, report, tmp_path)
    assert full.pictures == (Picture.from_bytes(png(1)),)


def test_saved_dataset_and_dataset_dict(tmp_path: Path, png: Make, settings: CorpusSettings) -> None:
    dataset(png).save_to_disk(str(tmp_path / "one"))
    parts = datasets.DatasetDict({"train": dataset(png).select([0]), "test": dataset(png).select([1, 2])})
    parts.save_to_disk(str(tmp_path / "many"))
    for name in ("one", "many"):
        report = SkipReport()
        notes = read_notes(tmp_path / name, settings, report)
        assert [(note.id, len(note.pictures)) for note in notes] == [("a", 2), ("b", 0)]
        assert report.counts() == {"bad picture": 1, "duplicate id": 1}


# Records and sources


def test_records(tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport) -> None:
    saved(tmp_path, "a.png", png(1))
    records: list[Any] = [{"id": "a", "images": ["a.png"]}, "nonsense", {"id": "b", "body": "x"}]
    notes = notes_from_records(records, tmp_path, settings, report)
    assert [note.id for note in notes] == ["a", "b"]
    assert [(skip.kind, skip.where) for skip in report] == [("wrong type", "record 1")]


def test_a_folder_with_notes_jsonl_is_read_as_jsonl(
    tmp_path: Path, settings: CorpusSettings, report: SkipReport
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "notes.jsonl").write_text('{"id": "a", "title": "t"}\n')
    assert read_notes(str(tmp_path), settings, report) == [Note("a", title="t")]


def test_unusable_sources_are_errors(tmp_path: Path, settings: CorpusSettings, report: SkipReport) -> None:
    (tmp_path / "notes.xlsx").write_bytes(b"x")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "dataset_info.json").write_text("{}")
    for name, match in [
        ("gone.jsonl", "does not exist"),
        ("notes.xlsx", "no known kind"),
        ("bad.parquet", "not a readable Parquet"),
        ("empty", "holds no notes"),
        ("broken", "not a readable saved dataset"),
    ]:
        with pytest.raises(NoteError, match=match):
            read_notes(tmp_path / name, settings, report)


def test_pictures_of_a_folder_are_found_by_their_endings_and_foreign_ones_are_named(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    for name, data in (("1.AVIF", png(1, "AVIF")), ("2.jfif", png(2, "JPEG")), ("3.svg", b"<svg/>")):
        saved(tmp_path, f"a/{name}", data)
    (note,) = read_notes(tmp_path, settings, report)
    assert [picture.path.name for picture in note.pictures if picture.path] == ["1.AVIF", "2.jfif"]
    assert ["3.svg is SVG" in skip.reason for skip in report] == [True]


def test_what_cannot_be_decoded_is_left_out_when_it_is_read(
    tmp_path: Path, png: Make, settings: CorpusSettings, report: SkipReport
) -> None:
    several = png(2, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 24))])
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "note.txt").write_text("a title")
    saved(tmp_path, "a/whole.jpg", several)
    saved(tmp_path, "a/cut.jpg", several[: len(png(2, "JPEG")) * 4 // 10])
    saved(tmp_path, "a/late.png", png(1)[:-30] + png(1)[-12:])
    (note,) = read_notes(tmp_path, settings, report)
    assert [picture.path.name for picture in note.pictures if picture.path] == ["whole.jpg"]
    assert report.counts() == {"bad picture": 2}
