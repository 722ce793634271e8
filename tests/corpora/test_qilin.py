"""Qilin on small files of the form that its card and its authors' code describe."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from uninote.cli import app
from uninote.corpora.qilin import fetch_qilin
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.settings import CorpusSettings

COLOURS = ["red", "green", "blue", "black", "orange", "purple"]
RELATIONS = "user_id,item_id,time\n"


def picture(colour: str, size: tuple[int, int] = (300, 200)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "JPEG")
    return data.getvalue()


def row(number: int, *pictures: str, **fields: Any) -> dict[str, Any]:
    return {
        "note_idx": number,
        "note_title": f"标题 {number}",
        "note_content": f"正文 {number} #旅行",
        "note_type": 1,
        "image_num": len(pictures),
        "taxonomy1_id": "旅行",
        "taxonomy2_id": "徒步",
        "taxonomy3_id": "nan",
        "accum_like_num": 12.0,
        "image_path": [f"image/{path}" for path in pictures],
    } | fields


def shown(number: int, click: float = 1.0, **time: float) -> dict[str, float]:
    return {"note_idx": number, "click": click, "like": 0.0, "position": 1.0, "page_time": 3.5} | time


def search(user: int, *notes: dict[str, float]) -> dict[str, Any]:
    return {
        "query": "徒步路线",
        "user_idx": user,
        "session_idx": 1,
        "search_idx": user,
        "recent_clicked_note_idxs": [1],
        "search_result_details_with_idx": [*notes],
    }


def recommendation(user: int, *notes: dict[str, float]) -> dict[str, Any]:
    return {
        "user_idx": user,
        "request_idx": user,
        "recent_clicked_note_idxs": [],
        "rec_result_details_with_idx": [*notes],
    }


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def tar(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three notes in two files, a part of pictures extracted, another in an archive."""
    root = tmp_path / "qilin"
    write(root / "notes/train-00000-of-00002.parquet", [row(1, "part_0/7/1.jpg", "part_0/7/2.jpg")])
    rows = [row(2, "part_0/7/3.jpg", note_title=None, taxonomy1_id="nan"), row(3, "part_1/8/4.jpg")]
    write(root / "notes/train-00001-of-00002.parquet", rows)
    put(root / "image", {f"part_0/7/{n}.jpg": picture(COLOURS[n]) for n in (1, 2, 3)})
    tar(root / "part_1.tar.gz", {"part_1/8/4.jpg": picture("orange"), "part_1/8/5.jpg": picture("white")})
    first = search(5, shown(2, search_timestamp=30.0), shown(1, 0.0, search_timestamp=30.0))
    write(
        root / "search_train/train-00000-of-00001.parquet", [first, search(6, shown(1, search_timestamp=9))]
    )
    rows = [recommendation(5, shown(3, request_timestamp=20.0), shown(99, request_timestamp=21.0))]
    write(root / "recommendation_test/train-00000-of-00001.parquet", rows)
    return root


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def reasons(out: Path) -> list[tuple[str, str]]:
    return [(skip["note_id"], skip["reason"]) for skip in lines(out / "skipped.jsonl")]


def test_rows_become_notes_with_their_pictures(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = fetch_qilin(folder, out, progress=False)
    first, second, third = lines(done.path)
    assert (done.notes, done.pictures, done.skipped) == (3, 4, {})
    assert first | {"images": []} == {
        "id": "qilin:1",
        "title": "标题 1",
        "body": "正文 1 #旅行",
        "images": [],
        "tags": ["徒步"],
        "category": "旅行",
        "links": [],
        "source": "THUIR/Qilin notes 1",
        "lang": "zh",
        "corpus": "qilin",
        "licence": "Apache-2.0 (data set card)",
        "likes": 12,
    }
    assert [image["src"] for image in first["images"]] == ["part_0/7/1.jpg", "part_0/7/2.jpg"]
    assert (second["title"], second["category"]) == ("", "")
    with Image.open(out / third["images"][0]["path"]) as opened:
        assert opened.convert("RGB").getpixel((5, 5)) == pytest.approx((255, 165, 0), abs=6)
    notes = read_notes(out, CorpusSettings(), report := SkipReport())
    assert [len(note.pictures) for note in notes] == [2, 1, 1]
    assert not len(report)


def test_clicks_on_the_notes_become_relations_in_the_order_of_time(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fetch_qilin(folder, out, progress=False)
    expected = "6,qilin:1,9\n5,qilin:3,20\n5,qilin:2,30\n"  # 99 is no note, 1 was shown and not clicked
    assert (out / "relations.csv").read_text("utf-8") == RELATIONS + expected


def test_a_limit_keeps_the_first_notes_and_clicked_those_of_the_log(folder: Path, tmp_path: Path) -> None:
    write(folder / "notes/train-00000-of-00002.parquet", [row(4, "part_0/7/2.jpg"), row(1, "part_0/7/1.jpg")])
    some = fetch_qilin(folder, tmp_path / "some", limit=2, progress=False)
    assert [note["id"] for note in lines(some.path)] == ["qilin:4", "qilin:1"]
    with (tmp_path / "some/relations.csv").open() as file:
        assert [one["item_id"] for one in csv.DictReader(file)] == ["qilin:1"]
    clicked = fetch_qilin(folder, tmp_path / "clicked", clicked=True, progress=False)
    assert [note["id"] for note in lines(clicked.path)] == ["qilin:1", "qilin:2", "qilin:3"]


def test_every_loss_is_reported_and_the_rest_is_kept(folder: Path, tmp_path: Path) -> None:
    put(
        folder / "image",
        {"part_0/9/broken.jpg": b"\xff\xd8nothing", "part_0/9/tiny.jpg": picture("red", (9, 9))},
    )
    write(
        folder / "notes/train-00000-of-00002.parquet",
        [
            row(1, "part_0/7/1.jpg", "part_0/7/gone.jpg"),
            row(10, "part_0/9/broken.jpg"),
            row(11, "part_0/9/tiny.jpg", "part_0/7/1.jpg"),
            row(12),
            row(13, "part_77/1/1.jpg"),
            row(14, "../../../secret.jpg", "part_0/7/2.jpg"),
            row(15, "part_0/7/2.jpg", image_path=None),
            row(16, *[f"part_0/7/{n % 3 + 1}.jpg" for n in range(20)]),
        ],
    )
    (tmp_path / "secret.jpg").write_bytes(picture("white"))
    (folder / "notes/train-00002-of-00002.parquet").write_bytes(b"PAR1 nothing")
    table = pa.Table.from_pylist([row(20, "part_0/7/1.jpg")]).drop_columns(["note_content"])
    pq.write_table(table, folder / "notes/train-00003-of-00002.parquet")
    out = tmp_path / "out"
    done = fetch_qilin(folder, out, progress=False)
    kept = [note["id"] for note in lines(done.path)]
    assert kept == [f"qilin:{n}" for n in (1, 11, 14, 16, 2, 3)]
    found = reasons(out)
    for note, reason in [
        ("qilin:1", "missing picture: part_0/7/gone.jpg is neither a file nor in an archive"),
        ("qilin:10", "bad picture: "),
        ("qilin:10", "no picture: none of the note's can be used"),
        ("qilin:11", "bad picture: "),
        ("qilin:12", "no picture: the row names none"),
        ("", "missing part: no pictures of part_77, which 1 notes name"),
        ("qilin:14", "missing picture: ../../../secret.jpg"),
        ("15", "bad row: image_path: "),
        ("qilin:16", "trimmed: only the first 18 pictures are kept"),
        ("", "bad Parquet: "),
        ("20", "missing column: note_content"),
    ]:
        assert any(n == note and text.startswith(reason) for n, text in found), (note, reason)
    assert len(found) == 11


def test_broken_requests_and_clicks_are_reported_one_by_one(folder: Path, tmp_path: Path) -> None:
    tables = folder / "search_test"
    nan = float("nan")
    first = search(7, shown(1, search_timestamp=nan), shown(2, 0.0, search_timestamp=nan))
    write(tables / "0.parquet", [first, search(8, shown(2, search_timestamp=40.0))])
    write(tables / "1.parquet", [{"user_idx": 9, "query": "x"}])
    write(tables / "2.parquet", [search(10, shown(1)) | {"user_idx": None}, search(11, shown(3))])
    out = tmp_path / "out"
    fetch_qilin(folder, out, progress=False)
    assert (out / "relations.csv").read_text("utf-8").endswith("5,qilin:2,30\n8,qilin:2,40\n")
    told = [(skip["where"], skip["note_id"], skip["reason"]) for skip in lines(out / "skipped.jsonl")]
    assert told == [
        ("search_test/0.parquet row 0", "qilin:1", "bad click: it has no time"),
        ("search_test/1.parquet row 0", "", "missing column: search_result_details_with_idx"),
        ("search_test/2.parquet row 0", "", "bad request: user_idx: must be a whole number, not null"),
        ("search_test/2.parquet row 1", "qilin:3", "bad click: it has no time"),
    ]


def test_archives_may_be_zip_lack_their_first_folder_or_be_broken(folder: Path, tmp_path: Path) -> None:
    (folder / "part_1.tar.gz").unlink()
    more = folder / "downloads"
    more.mkdir()
    with zipfile.ZipFile(more / "part_1.zip", "w") as archive:
        archive.writestr("8/4.jpg", picture("orange"))
        archive.writestr("image/part_1/8/5.jpg", picture("purple"))
    tar(more / "part_2.tar.gz", {"./part_2/1.jpg": picture("black"), "part_2/2.jpg": picture("red") * 50})
    whole = (more / "part_2.tar.gz").read_bytes()
    (more / "part_2.tar.gz").write_bytes(whole[: len(whole) // 2])
    (more / "part_3.zip").write_bytes(b"PK nothing")
    rows = [row(3, "part_1/8/4.jpg", "part_1/8/5.jpg"), row(4, "part_3/1.jpg")]
    write(folder / "notes/train-00001-of-00002.parquet", rows)
    out = tmp_path / "out"
    done = fetch_qilin(folder, out, progress=False)
    by_id = {note["id"]: note for note in lines(done.path)}
    assert [image["src"] for image in by_id["qilin:3"]["images"]] == ["part_1/8/4.jpg", "part_1/8/5.jpg"]
    where = {
        skip["where"] for skip in lines(out / "skipped.jsonl") if skip["reason"].startswith("broken arch")
    }
    assert where == {"part_2.tar.gz", "part_3.zip"}


def test_a_finished_fetch_does_nothing_and_other_notes_are_not_overwritten(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = fetch_qilin(folder, out, progress=False)
    (folder / "part_1.tar.gz").unlink()
    assert fetch_qilin(folder, out, progress=False) == first
    with pytest.raises(ConfigError, match="holds other notes"):
        fetch_qilin(folder, out, limit=1, progress=False)


def test_without_clicks_there_are_no_relations(folder: Path, tmp_path: Path) -> None:
    for requests in ("search_train", "recommendation_test"):
        (folder / requests).rename(tmp_path / requests)
    out = fetch_qilin(folder, tmp_path / "out", progress=False).path.parent
    assert not (out / "relations.csv").exists()


def test_a_folder_without_notes_or_pictures_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no notes/\*\.parquet"):
        fetch_qilin(tmp_path / "nothing", tmp_path / "out", progress=False)
    (folder / "image").rename(tmp_path / "elsewhere")
    (folder / "part_1.tar.gz").unlink()
    with pytest.raises(ConfigError, match=r"gives no note: \{'missing part': 2\}"):
        fetch_qilin(folder, tmp_path / "out", progress=False)


def test_the_command_takes_the_folder_with_this_source_only(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    call = ["corpus", "fetch", "qilin", "--from", str(folder), "--out", str(out), "--limit", "2", "--json"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["count"] == 2
    for words in (["qilin"], ["openstax", "--from", str(folder)]):
        refused = CliRunner().invoke(app, ["corpus", "fetch", *words, "--out", str(out)])
        assert isinstance(refused.exception, ConfigError)
        assert "give --from FOLDER with it" in str(refused.exception)
