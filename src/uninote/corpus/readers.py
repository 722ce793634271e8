"""Readers of notes from files, folders, datasets and records; unusable ones are reported as skips."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from uninote.corpus.records import Entry, build_note
from uninote.corpus.skips import Skip, SkipReport
from uninote.corpus.sources import dataset_entries, folder_entries, jsonl_entries, parquet_entries
from uninote.corpus.writer import write_notes
from uninote.errors import NoteError, reason_of
from uninote.extras import needs
from uninote.items import Note
from uninote.limits import cores
from uninote.settings import CorpusSettings

__all__ = ["notes_from_dataset", "notes_from_records", "read_notes", "write_notes"]

_AHEAD = 256
"""Records in progress at once: bounds memory and keeps the pool busy."""

_JSONL_SUFFIXES = (".jsonl", ".ndjson")
_PARQUET_SUFFIXES = (".parquet", ".pq")


def read_notes(source: str | Path, settings: CorpusSettings, report: SkipReport) -> list[Note]:
    """Read the notes of a JSONL or Parquet file, a saved Hugging Face dataset, or a folder, in source order.

    A folder is, in this order: a dataset of `save_to_disk`, a folder with `notes.jsonl`, or one sub-folder
    per note (see `folder_entries`). Picture paths are relative to the file's folder and confined in it.
    Pictures are hashed and checked, not decoded. A later note with an id already read is skipped.

    Raises NoteError when the source does not exist, cannot be opened, or is of no known kind.
    """
    try:
        return _collect(_entries(Path(source)), settings, report)
    except OSError as error:
        raise NoteError(f"{source} cannot be read: {reason_of(error)}") from error


def notes_from_records(
    records: Iterable[Mapping[str, Any]],
    base_dir: str | Path | None,
    settings: CorpusSettings,
    report: SkipReport,
) -> list[Note]:
    """Build the notes of records with the fields of `uninote.corpus.records`.

    Paths are relative to `base_dir` and confined in it; None allows embedded bytes only.
    """
    base = None if base_dir is None else Path(base_dir)
    entries = (
        Entry(record, f"record {index}", base)
        if isinstance(record, Mapping)
        else Skip("", f"wrong type: a record is a mapping, not {type(record).__name__}", f"record {index}")
        for index, record in enumerate(records)
    )
    return _collect(entries, settings, report)


def notes_from_dataset(
    dataset: Any, settings: CorpusSettings, report: SkipReport, base_dir: str | Path | None = None
) -> list[Note]:
    """Build the notes of a `datasets` Dataset, IterableDataset or DatasetDict, without decoding pictures.

    Columns are the fields of `uninote.corpus.records`. Pictures stored as paths are read only from inside
    `base_dir`; None allows embedded bytes only.
    """
    return _collect(dataset_entries(dataset, None if base_dir is None else Path(base_dir)), settings, report)


def _entries(source: Path) -> Iterator[Entry | Skip]:
    if source.is_dir():
        if (source / "dataset_info.json").is_file() or (source / "dataset_dict.json").is_file():
            return _saved_dataset_entries(source)
        if (source / "notes.jsonl").is_file():
            return jsonl_entries(source / "notes.jsonl")
        if not any(child.is_dir() for child in source.iterdir()):
            raise NoteError(f"{source} holds no notes; give notes.jsonl or one sub-folder per note")
        return folder_entries(source)
    if not source.is_file():
        raise NoteError(f"{source} does not exist; give a file or folder of notes")
    suffix = source.suffix.lower()
    if suffix in _JSONL_SUFFIXES:
        return jsonl_entries(source)
    if suffix in _PARQUET_SUFFIXES:
        return parquet_entries(source)
    known = ", ".join(_JSONL_SUFFIXES + _PARQUET_SUFFIXES)
    raise NoteError(f"{source} is of no known kind; give a folder or a file named {known}")


def _saved_dataset_entries(folder: Path) -> Iterator[Entry | Skip]:
    with needs("data"):
        from datasets import load_from_disk  # takes seconds to import

    try:
        dataset = load_from_disk(str(folder))
    except Exception as error:  # broken metadata raises errors of many types
        raise NoteError(f"{folder} is not a readable saved dataset: {reason_of(error)}") from error
    return dataset_entries(dataset, folder, folder.name)


def _collect(entries: Iterable[Entry | Skip], settings: CorpusSettings, report: SkipReport) -> list[Note]:
    notes: dict[str, Note] = {}
    for where, note, skips in _built(entries, settings):
        if note is not None and note.id in notes:
            report.add(note.id, "duplicate id: an earlier note has it", where)
            continue
        report.extend(skips)
        if note is not None:
            notes[note.id] = note
    return list(notes.values())


Built = tuple[str, Note | None, list[Skip]]


def _built(entries: Iterable[Entry | Skip], settings: CorpusSettings) -> Iterator[Built]:
    """Build entries in a pool of threads (hashing and reading release the GIL); yield results in order."""

    def build(entry: Entry | Skip) -> Built:
        if isinstance(entry, Skip):
            return entry.where, None, [entry]
        return entry.where, *build_note(entry, settings)

    waiting: deque[Future[Built]] = deque()
    with ThreadPoolExecutor(min(16, 4 + cores())) as pool:
        for entry in entries:
            waiting.append(pool.submit(build, entry))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
