"""Reader of relations: a CSV or Parquet file of pairs with a weight, or of a log; bad rows are skipped.

Columns are found by their header, whatever its case (see `COLUMNS`):

* `item`, `other` and, if it is there, `weight`: pairs of notes;
* `user`, `item` and `time`: a log of events. Times are ISO 8601 (without a zone: UTC) or numbers, which are
  seconds since 1970 where they are compared with a date.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple

from uninote.corpus.records import Entry
from uninote.corpus.relations.graph import Relation, Relations
from uninote.corpus.skips import Skip, SkipReport
from uninote.corpus.sources import parquet_entries
from uninote.errors import NoteError, reason_of
from uninote.extras import needs

COLUMNS = {
    "user": ("user", "user_id", "session", "session_id"),
    "item": ("item", "item_id", "note", "note_id"),
    "other": ("other", "other_id", "other_item", "other_note", "related", "related_id"),
    "weight": ("weight", "score", "count"),
    "time": ("time", "timestamp", "date"),
}
"""Accepted headers of each column."""


class Event(NamedTuple):
    """An engagement of a user with a note, e.g. a click; `time` in the unit of the file."""

    user: str
    item: str
    time: float


Log = tuple[Event, ...]


class _BadRow(Exception):
    """A row cannot be used; `args`: the reason and the id it is about."""


def read_relations(path: Path, known: Collection[str], report: SkipReport) -> Relations | Log:
    """Read pairs, of which rows of the same pair are summed, or a log, in the order of the file.

    A row is skipped, with its reason, when it names no note of `known`, relates a note to itself, or holds no
    positive weight or no time.

    Raises NoteError when the file cannot be read, or its header is of neither kind.
    """
    header, rows = _table(path)
    columns = _columns(header, path)
    read: Callable[[dict[str, Any]], Relation | Event] = _relation if "other" in columns else _event
    found: list[Any] = []
    known = set(known)
    try:
        for row in rows:
            if isinstance(row, Skip):
                report.extend([row])
                continue
            values = {name: row.record.get(column) for name, column in columns.items()}
            try:
                made = read(values)
                for name in made[:2] if isinstance(made, Relation) else (made.item,):
                    if name not in known:
                        raise _BadRow("unknown item: no note has this id", name)
            except _BadRow as error:
                report.add(error.args[1], error.args[0], row.where)
            else:
                found.append(made)
    except (OSError, UnicodeDecodeError) as error:
        raise NoteError(f"{path} is not readable: {reason_of(error)}; save it as UTF-8") from error
    return Relations.summed(found) if "other" in columns else tuple(found)


def _columns(header: list[str], path: Path) -> dict[str, str]:
    """Return the header of each known column."""
    by_name = {str(name).strip().casefold(): name for name in header}
    found = {
        column: by_name[alias]
        for column, aliases in COLUMNS.items()
        for alias in reversed(aliases)
        if alias in by_name
    }
    pairs, log = {"item", "other"} <= found.keys(), {"user", "item", "time"} <= found.keys()
    if pairs and "user" in found:
        raise NoteError(f"{path} has both a user and an other column: keep one of them")
    if not pairs and not log:
        raise NoteError(
            f"{path} has the columns {', '.join(header) or 'none'}: name them item, other, weight (pairs of "
            "notes) or user, item, time (a log)"
        )
    return found


def _table(path: Path) -> tuple[list[str], Iterator[Entry | Skip]]:
    """Return the header and the rows of a file. Raises NoteError when it is of no known kind."""
    if not path.is_file():
        raise NoteError(f"{path} does not exist: give a CSV or Parquet file of relations")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                header = next(csv.reader(file), [])
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise NoteError(f"{path} is not readable: {reason_of(error)}; save it as CSV in UTF-8") from error
        return header, _csv_rows(path, header)
    if suffix not in (".parquet", ".pq"):
        raise NoteError(f"{path} is of no known kind: give a .csv or .parquet file of relations")
    with needs("data"):
        import pyarrow.parquet as pq

    try:
        header = list(pq.read_schema(path).names)
    except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
        raise NoteError(f"{path} is not a readable Parquet file: {reason_of(error)}") from error
    return header, parquet_entries(path)


def _csv_rows(path: Path, header: list[str]) -> Iterator[Entry | Skip]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        next(rows, None)
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                yield Skip("", f"bad CSV: {reason_of(error)}", f"{path.name}:{rows.line_num}")
                continue
            if row is None:
                return
            where = f"{path.name}:{rows.line_num}"
            if len(row) == len(header):
                yield Entry(dict(zip(header, row, strict=True)), where, None)
            elif row:
                yield Skip("", f"wrong width: {len(row)} values for {len(header)} columns", where)


def _relation(row: dict[str, Any]) -> Relation:
    item, other, weight = _id(row, "item"), _id(row, "other"), _number(row.get("weight", 1))
    if item == other:
        raise _BadRow("self relation: both ids are the same", item)
    if weight is None:
        raise _BadRow(f"bad weight: {row['weight']!r} is not a number", item)
    if weight <= 0:
        raise _BadRow(f"bad weight: {weight:g} is not above 0", item)
    return Relation(item, other, weight)


def _event(row: dict[str, Any]) -> Event:
    item, when = _id(row, "item"), as_time(row["time"])
    if when is None:
        raise _BadRow(f"bad time: {row['time']!r} is neither a number nor ISO 8601", item)
    return Event(_id(row, "user"), item, when)


def _id(row: dict[str, Any], name: str) -> str:
    value = row[name]
    text = "" if value is None else str(value).strip()
    if not text:
        raise _BadRow(f"missing {name}: the row needs one", "")
    return text


def _number(value: Any) -> float | None:
    """Return a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def as_time(value: Any) -> float | None:
    """Return a time as a number: seconds since 1970 of a date, a number as it is; None for anything else."""
    if isinstance(value, str) and _number(value) is None:
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC).timestamp()
    return _number(value)
