"""Qilin: notes of Xiaohongshu with the searches and recommendations that showed them (arXiv 2503.00501).

Reads the files of the data set `THUIR/Qilin` of the Hugging Face hub: `notes/*.parquet`, the requests in
`search_*/*.parquet` and `recommendation_*/*.parquet`, and the pictures, extracted or in their archives.
Clicks become `relations.csv`, with a row `user_id,item_id,time` each.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError

from uninote.corpora.archives import PictureFiles, name_of
from uninote.corpora.pictures import Converted
from uninote.corpora.run import VERSION, Fetched, finish, finished
from uninote.corpus.skips import Skip, SkipReport
from uninote.corpus.sources import parquet_entries
from uninote.errors import ConfigError, NoteError, PictureError, reason_of
from uninote.files import write_atomic
from uninote.problems import sentence
from uninote.progress import show_progress

CORPUS = "qilin"
LICENCE = "Apache-2.0 (data set card)"
MAX_PICTURES = 18
REQUESTS = ("search_train", "search_test", "recommendation_train", "recommendation_test")
RELATIONS = "relations.csv"


def _absent(value: object) -> object:
    """Return "" for what Parquet files of tables hold in place of a text: null, NaN or the word `nan`."""
    return (
        "" if value is None or value == "nan" or (isinstance(value, float) and math.isnan(value)) else value
    )


Text = Annotated[str, BeforeValidator(_absent)]


class _Note(BaseModel):
    note_idx: int
    note_title: Text
    note_content: Text
    image_path: list[str]
    taxonomy1_id: Text = ""
    taxonomy2_id: Text = ""
    taxonomy3_id: Text = ""
    accum_like_num: float | None = None


class _Shown(BaseModel):
    note_idx: int
    click: float
    time: float | None = Field(
        None, validation_alias=AliasChoices("search_timestamp", "request_timestamp", "timestamp")
    )


class _Request(BaseModel):
    user_idx: int
    shown: list[_Shown] = Field(
        validation_alias=AliasChoices("search_result_details_with_idx", "rec_result_details_with_idx")
    )


class Click(NamedTuple):
    """A click of a user on a note of a result list, at a time in the log's own unit."""

    time: int
    user: int
    note: int


def fetch_qilin(
    folder: Path, out: Path, *, limit: int | None = None, clicked: bool = False, progress: bool = True
) -> Fetched:
    """Make notes and relations of the data set in `folder`, in the folder `out`.

    Args:
        limit: notes to make at most, the first ones that have pictures.
        clicked: only notes that a request shows as clicked.

    Writes `images/`, `relations.csv` if there are clicks, `skipped.jsonl`, `META.json` and, last and
    atomically, `notes.jsonl`.
    A finished fetch does nothing. Raises ConfigError when `folder` lacks the notes, gives none, or `out`
    holds other notes. Bad rows and pictures are only reported.
    """
    files = sorted((folder / "notes").glob("*.parquet"))
    if not files:
        raise ConfigError(
            f"{folder} has no notes/*.parquet: put the data set THUIR/Qilin there, as docs/qilin.md says"
        )
    about = {"corpus": CORPUS, "licence": LICENCE, "converters": VERSION, "limit": limit, "clicked": clicked}
    about["files"] = [[path.name, path.stat().st_size] for path in files]
    if (already := finished(out, about)) is not None:
        return already
    skips = SkipReport()
    with show_progress("clicks", None, show=progress):
        clicks = sorted(set(_clicks(folder, skips)))
    with show_progress("archives", None, show=progress):
        pictures = PictureFiles(folder, skips)
    wanted = {click.note for click in clicks} if clicked else None
    absent: Counter[str] = Counter()
    with show_progress("notes", limit, show=progress) as bar:
        rows: dict[int, _Note] = {}
        for row in _rows(files, pictures, wanted, skips, absent):
            rows.setdefault(row.note_idx, row)
            bar.advance()
            if len(rows) == limit:
                break
    for part, count in sorted(absent.items()):
        skips.add("", f"missing part: no pictures of {part}, which {count} notes name", part)
    names = dict.fromkeys(name for row in rows.values() for name in row.image_path)
    with show_progress("pictures", len(names), show=progress) as bar:
        converted = dict(pictures.convert(names, out, bar))
    notes = [note for row in rows.values() if (note := _note(row, converted, skips)) is not None]
    if not notes:
        raise ConfigError(f"{folder} gives no note: {skips.counts()}")
    _write_relations(out / RELATIONS, clicks, {note["id"] for note in notes})
    return finish(out, notes, skips, about)


def _clicks(folder: Path, skips: SkipReport) -> Iterator[Click]:
    columns = ["user_idx", "search_result_details_with_idx", "rec_result_details_with_idx"]
    for name in REQUESTS:
        for path in sorted((folder / name).glob("*.parquet")):
            for where, record in _records(path, columns, skips):
                try:
                    request = _Request.model_validate(record)
                except ValidationError as error:
                    skips.add("", _reason(error, _Request, "request"), where)
                    continue
                for shown in request.shown:
                    if not shown.click > 0:
                        continue
                    if shown.time is None or not math.isfinite(shown.time):
                        skips.add(note_id(shown.note_idx), "bad click: it has no time", where)
                        continue
                    yield Click(int(shown.time), request.user_idx, shown.note_idx)


def _rows(
    files: list[Path],
    pictures: PictureFiles,
    wanted: set[int] | None,
    skips: SkipReport,
    absent: Counter[str],
) -> Iterator[_Note]:
    """Yield the rows of notes that have pictures here, with the names of these in `image_path`.

    Notes of parts that are not here at all are counted in `absent`, not reported one by one.
    """
    columns = list(_Note.model_fields)
    for path in files:
        for where, record in _records(path, columns, skips):
            try:
                row = _Note.model_validate(record)
            except ValidationError as error:
                skips.add(str(record.get("note_idx") or ""), _reason(error, _Note, "row"), where)
                continue
            if wanted is not None and row.note_idx not in wanted:
                continue
            id_ = note_id(row.note_idx)
            names = [name_of(picture) for picture in row.image_path]
            if not names:
                skips.add(id_, "no picture: the row names none", where)
                continue
            here = {name.partition("/")[0] for name in names}
            if here.isdisjoint(pictures.parts):  # most rows, where only some parts were downloaded
                absent.update(here)
                continue
            if len(names) > MAX_PICTURES:
                skips.add(id_, f"trimmed: only the first {MAX_PICTURES} pictures are kept", where)
            found = []
            for name in names[:MAX_PICTURES]:
                if pictures.has(name):
                    found.append(name)
                else:
                    skips.add(id_, f"missing picture: {name} is neither a file nor in an archive", where)
            if found:
                yield row.model_copy(update={"image_path": found})


def _records(path: Path, columns: list[str], skips: SkipReport) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows of a Parquet file with their places; report what cannot be read."""
    try:
        for entry in parquet_entries(path, columns):
            if isinstance(entry, Skip):
                skips.extend([entry])
            else:
                yield f"{path.parent.name}/{entry.where}", entry.record
    except NoteError as error:
        skips.add("", f"bad Parquet: {reason_of(error)}", f"{path.parent.name}/{path.name}")


def _reason(error: ValidationError, kind: type[BaseModel], what: str) -> str:
    first = error.errors()[0]
    if first["type"] == "missing" and len(first["loc"]) == 1:
        return f"missing column: {first['loc'][0]}"
    return f"bad {what}: {sentence(error, kind)}"


def note_id(number: int) -> str:
    """Return the id of the note `note_idx`, as notes and relations have it."""
    return f"{CORPUS}:{number}"


def _note(
    row: _Note, converted: Mapping[str, Converted | PictureError], skips: SkipReport
) -> dict[str, Any] | None:
    images: dict[str, Converted] = {}
    for name in row.image_path:
        made = converted[name]
        if isinstance(made, PictureError):
            skips.add(note_id(row.note_idx), f"bad picture: {made}", name)
        else:
            images.setdefault(made["path"], made | {"src": name})
    if not images:
        skips.add(note_id(row.note_idx), "no picture: none of the note's can be used", "notes")
        return None
    note: dict[str, Any] = {
        "id": note_id(row.note_idx),
        "title": row.note_title,
        "body": row.note_content,
        "images": list(images.values()),
        "tags": [tag for tag in (row.taxonomy2_id, row.taxonomy3_id) if tag],
        "category": row.taxonomy1_id,
        "links": [],
        "source": f"THUIR/Qilin notes {row.note_idx}",
        "lang": "zh",
        "corpus": CORPUS,
        "licence": LICENCE,
    }
    if row.accum_like_num is not None and math.isfinite(row.accum_like_num):
        note["likes"] = int(row.accum_like_num)
    return note


def _write_relations(path: Path, clicks: list[Click], ids: set[str]) -> None:
    """Write the clicks on these notes; without any there is no file, which would be refused later."""
    path.unlink(missing_ok=True)
    known = [click for click in clicks if note_id(click.note) in ids]
    if not known:
        return
    with write_atomic(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("user_id", "item_id", "time"))
        writer.writerows((click.user, note_id(click.note), click.time) for click in known)
