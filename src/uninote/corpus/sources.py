"""Sources of raw records: JSONL, Parquet, folders of notes, Hugging Face datasets. All are streamed.

Each source yields an `Entry` for each record that it can parse and a `Skip` for each other one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from uninote.corpus.formats import OTHER_SUFFIXES, SUFFIXES
from uninote.corpus.paths import resolve_inside
from uninote.corpus.records import Entry
from uninote.corpus.skips import Skip
from uninote.errors import NoteError, reason_of
from uninote.extras import needs
from uninote.problems import json_problem, kind_of

PICTURE_SUFFIXES = SUFFIXES | OTHER_SUFFIXES
"""File endings of pictures; the reader reports those that are not decoded."""
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".3gp"}
)
_BATCH = 64


def jsonl_entries(path: Path) -> Iterator[Entry | Skip]:
    """Yield one record per line; blank lines are skipped. Paths are relative to the file's folder."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path.name}:{number}"
            if line.strip():
                record = _json_object(line, where)
                yield record if isinstance(record, Skip) else Entry(record, where, path.parent)


def _json_object(encoded: bytes, where: str) -> dict[str, Any] | Skip:
    try:
        record = json.loads(encoded.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Skip("", f"bad encoding: not UTF-8 at byte {error.start}", where)
    except (ValueError, RecursionError) as error:
        return Skip("", f"bad JSON: {json_problem(error)}", where)
    if not isinstance(record, dict):
        return Skip("", f"wrong type: a note is a JSON object, not {kind_of(record)}", where)
    return record


def parquet_entries(path: Path, columns: Sequence[str] | None = None) -> Iterator[Entry | Skip]:
    """Yield one record per row, one Skip per unreadable row group. Raises NoteError on a broken file.

    columns: those to read, where the file has them; all if None.
    """
    with needs("data"):
        import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise NoteError(f"{path} is not a readable Parquet file: {reason_of(error)}") from error
    with table:
        first = 0
        for group in range(table.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            row = first
            try:
                for batch in table.iter_batches(_BATCH, row_groups=[group], columns=columns):
                    for record in batch.to_pylist():
                        yield Entry(record, f"{path.name} row {row}", path.parent)
                        row += 1
            except (OSError, ValueError) as error:
                yield Skip(
                    "", f"bad Parquet: {reason_of(error)}", f"{path.name} rows {row} to {first + rows - 1}"
                )
            first += rows


def dataset_entries(dataset: Any, base: Path | None, name: str = "dataset") -> Iterator[Entry]:
    """Yield one record per row of a Hugging Face Dataset, IterableDataset, or every split of a DatasetDict.

    Rows are read as Arrow, which leaves pictures as undecoded `{bytes, path}` (the effect of
    `Image(decode=False)`, at any depth of nesting).
    """
    if isinstance(dataset, dict):
        for split in dataset:
            yield from dataset_entries(dataset[split], base, f"{name} {split}")
        return
    row = 0
    for table in dataset.with_format("arrow").iter(batch_size=_BATCH):
        for record in table.to_pylist():
            yield Entry(record, f"{name} row {row}", base)
            row += 1


def folder_entries(root: Path) -> Iterator[Entry | Skip]:
    """Yield one record per sub-folder, in name order; hidden ones are skipped. A sub-folder holds

    * optionally `note.json`, one record as in JSONL (its `id` defaults to the sub-folder's name);
    * else optionally `note.txt` or one `*.md`: the first line is the title (leading `#` dropped), the rest
      the body;
    * picture files in name order (numbers by value: 2.jpg before 10.jpg), unless `note.json` lists `images`;
      `<picture>.txt` or `<picture>.jpg.txt` is the description of `<picture>.jpg`;
    * video files, unless `note.json` has `video`; their sampled frames are appended as pictures.

    Paths are relative to the sub-folder and confined in it.
    """
    for folder in sorted((child for child in root.iterdir() if child.is_dir()), key=_natural):
        if folder.name.startswith("."):
            continue
        where = f"{root.name}/{folder.name}"
        try:
            yield _folder_entry(resolve_inside(root, folder.name), folder.name, where)
        except UnicodeDecodeError as error:
            yield Skip(folder.name, f"bad encoding: a text file is not UTF-8 at byte {error.start}", where)
        except (NoteError, OSError) as error:
            yield Skip(folder.name, f"bad folder: {reason_of(error)}", where)


def _folder_entry(folder: Path, name: str, where: str) -> Entry | Skip:
    files = sorted((child for child in folder.iterdir() if child.is_file()), key=_natural)
    record: dict[str, Any] = {}
    names = {file.name for file in files}
    text = (
        "note.txt"
        if "note.txt" in names
        else next((f.name for f in files if f.suffix.lower() == ".md"), None)
    )
    if "note.json" in names:
        parsed = _json_object(resolve_inside(folder, "note.json").read_bytes(), f"{where}/note.json")
        if isinstance(parsed, Skip):
            return Skip(name, parsed.reason, parsed.where)
        record = parsed
    elif text:
        title, _, body = _text(folder, text).partition("\n")
        record = {"title": title.lstrip("#").strip(), "body": body.strip()}
    pictures = [file for file in files if file.suffix.lower() in PICTURE_SUFFIXES]
    found = {
        "id": name,
        "images": [{"path": file.name, "alt": _description(folder, file, names)} for file in pictures],
        "video": [file.name for file in files if file.suffix.lower() in VIDEO_SUFFIXES],
    }
    return Entry(found | record, where, folder)


def _description(folder: Path, picture: Path, names: set[str]) -> str:
    for name in (f"{picture.name}.txt", f"{picture.stem}.txt"):
        if name in names and name != "note.txt":
            return _text(folder, name).strip()
    return ""


def _text(folder: Path, name: str) -> str:
    return resolve_inside(folder, name).read_bytes().decode("utf-8-sig").replace("\r\n", "\n")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that orders digits by value: img2 before img10."""
    return [(int(run), "") if run.isdecimal() else (-1, run) for run in re.split(r"(\d+)", path.name)]
