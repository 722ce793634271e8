"""Reading relations: columns, both shapes, both formats; every bad row is skipped with its reason."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Event, as_time, read_relations
from uninote.corpus.relations.writer import linked, write_relations
from uninote.corpus.skips import SkipReport
from uninote.errors import NoteError
from uninote.items import Note

KNOWN = {"a", "b", "c", "7"}


def read(path: Path) -> tuple[Any, list[tuple[str, str, str]]]:
    report = SkipReport()
    found = read_relations(path, KNOWN, report)
    return found, [(skip.where, skip.note_id, skip.reason) for skip in report]


def csv(folder: Path, text: str) -> Path:
    path = folder / "relations.csv"
    path.write_text(text, "utf-8")
    return path


def test_pairs_with_every_kind_of_bad_row(tmp_path: Path) -> None:
    rows = [
        "a,b,1",
        "b,a,0.5",
        "a,x,1",
        "a,a,1",
        "a,c,-2",
        "a,c,many",
        "a,c,nan",
        "a,c",
        ",c,1",
        "",
        '7,"c",2',
    ]
    found, skips = read(csv(tmp_path, "\n".join(["item,other,weight", *rows])))
    assert list(found) == [("7", "c", 2.0), ("a", "b", 1.5)]
    assert skips == [
        ("relations.csv:4", "x", "unknown item: no note has this id"),
        ("relations.csv:5", "a", "self relation: both ids are the same"),
        ("relations.csv:6", "a", "bad weight: -2 is not above 0"),
        ("relations.csv:7", "a", "bad weight: 'many' is not a number"),
        ("relations.csv:8", "a", "bad weight: 'nan' is not a number"),
        ("relations.csv:9", "", "wrong width: 2 values for 3 columns"),
        ("relations.csv:10", "", "missing item: the row needs one"),
    ]


def test_columns_by_other_names_in_any_order_and_without_a_weight(tmp_path: Path) -> None:
    found, skips = read(csv(tmp_path, "\ufeffRelated_ID, Note_id ,why\nb,a,x\na,b,y\n"))
    assert (list(found), skips) == ([("a", "b", 2.0)], [])


def test_a_log_with_dates_and_numbers(tmp_path: Path) -> None:
    rows = [
        "u,a,2026-01-01",
        "u,b,2026-01-01T01:00:00+01:00",
        "v,a,soon",
        "v,,1",
        ",a,1",
        "v,x,1",
        "v,c,12.5",
    ]
    found, skips = read(csv(tmp_path, "\n".join(["user,item,time", *rows])))
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert found == (Event("u", "a", start), Event("u", "b", start), Event("v", "c", 12.5))
    assert [reason.partition(":")[0] for *_, reason in skips] == [
        "bad time",
        "missing item",
        "missing user",
        "unknown item",
    ]


def test_parquet_holds_the_same_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "relations.parquet"
    rows = {"item": [7, 7, None], "other": ["a", "nobody", "b"], "weight": [0.25, 1.0, 1.0]}
    pq.write_table(pa.table(rows), path)
    found, skips = read(path)
    assert list(found) == [("7", "a", 0.25)]
    assert [where for where, *_ in skips] == ["relations.parquet row 1", "relations.parquet row 2"]
    day = datetime(2026, 3, 1)
    pq.write_table(pa.table({"user": [1], "item": ["a"], "time": pa.array([day], pa.timestamp("us"))}), path)
    assert read(path)[0] == (Event("1", "a", day.replace(tzinfo=UTC).timestamp()),)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("r.csv", b"item,weight\na,1\n", "has the columns item, weight: name them item, other, weight"),
        ("r.csv", b"", "has the columns none"),
        ("r.csv", b"user,item,other,time\n", "both a user and an other column"),
        ("r.csv", b"item,other\n" + b"a,b\n" * 9999 + b"\xff,b\n", "save it as UTF-8"),
        ("r.csv", b"\xff\xfe", "save it as CSV in UTF-8"),
        ("r.parquet", b"no", "not a readable Parquet file"),
        ("r.txt", b"item,other", "of no known kind"),
        ("missing.csv", None, "does not exist"),
    ],
)
def test_an_unusable_file_is_an_error_that_names_the_fix(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(NoteError, match=says):
        read(tmp_path / name)


def test_times() -> None:
    assert as_time("1970-01-01T00:00:10Z") == as_time("10") == as_time(10) == 10.0
    assert as_time("today") is None
    assert as_time(None) is None
    assert as_time(float("inf")) is None


def test_links_of_notes_are_written_and_read_back(tmp_path: Path) -> None:
    notes = [
        Note("a", "A", "x", links=("b", "b", "a", "elsewhere")),
        Note("b", "B", "y", links=("a", "c")),
        Note("c", "C", "z"),
    ]
    relations = linked(notes)
    assert list(relations) == [("a", "b", 2.0), ("b", "c", 1.0)]
    path = tmp_path / "new" / "relations.csv"
    write_relations(relations, path)
    found, skips = read(path)
    assert isinstance(found, Relations)
    assert (found.key, skips) == (relations.key, [])
