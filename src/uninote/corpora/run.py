"""Corpus fetch: converts repositories to `notes.jsonl`, pictures, a skip report and `META.json`."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uninote.corpora.documents import documents
from uninote.corpora.git import checkout
from uninote.corpora.journal import Journal
from uninote.corpora.notes import make_note
from uninote.corpora.pins import CorpusPins, Repository
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.files import write_atomic
from uninote.progress import show_progress

HOST = "https://github.com"
VERSION = 1
"""Version of the converters: results of another version are made again."""


@dataclass(frozen=True)
class Fetched:
    """Result of a fetch: the file of the notes, their number, and the count of each skip kind."""

    path: Path
    notes: int
    pictures: int
    skipped: dict[str, int]


def fetch_corpus(
    pins: CorpusPins,
    out: Path,
    *,
    mirror: str = HOST,
    every: bool = False,
    keep: bool = False,
    progress: bool = True,
) -> Fetched:
    """Rebuild the notes of `pins` in the folder `out`; a call after a kill resumes.

    Args:
        mirror: address of the host or folder with the repositories `mirror`/owner/name.
        every: include the repositories without notes in the published benchmark.
        keep: keep the checkouts in `out`/.fetch.

    Writes `images/`, `skipped.jsonl`, `META.json` and, last and atomically, `notes.jsonl`. Raises ConfigError
    when `out` holds other notes, git is missing, or a repository cannot be fetched; bad pages are only
    reported.
    """
    chosen = [repository for repository in pins.repositories if every or repository.benchmark]
    about = _about(pins, chosen)
    if (already := finished(out, about)) is not None:
        return already
    work = out / ".fetch"
    skips = SkipReport()
    notes: dict[str, dict[str, Any]] = {}
    for repository in chosen:
        for note in _of_repository(repository, pins, out, work, mirror, skips, progress):
            notes.setdefault(note["id"], note)
    if not notes:
        raise ConfigError(
            f"no page of {', '.join(each.name for each in chosen)} gave a note: {skips.counts()}"
        )
    return finish(out, list(notes.values()), skips, about, keep)


def _of_repository(
    repository: Repository,
    pins: CorpusPins,
    out: Path,
    work: Path,
    mirror: str,
    skips: SkipReport,
    progress: bool,
) -> Iterator[dict[str, Any]]:
    name = repository.name
    with show_progress(f"{name}: git", None, show=progress) as bar:
        folder = name.replace("/", "__")
        root = checkout(_address(mirror, repository), repository.commit, work / folder)
        pages = list(documents(root, pins, repository, skips))
        bar.describe(f"{name}: pages", len(pages))
        journal = Journal(work / f"{folder}-{_digest(pins, repository)}.jsonl", out)
        try:
            for page in pages:
                done = journal.done.get(page.id)
                if done is None:
                    left_out = SkipReport()
                    note = make_note(page, root, pins, out, left_out)
                    done = journal.add(page.id, note, left_out)
                skips.extend(done.skips)
                bar.advance()
                if done.note is not None:
                    yield done.note
        finally:
            journal.close()


def _address(mirror: str, repository: Repository) -> str:
    """Return the repository's address; a folder is a `file://` URL, from which git can fetch shallowly."""
    base = Path(mirror).resolve().as_uri() if Path(mirror).is_dir() else mirror.rstrip("/")
    return f"{base}/{repository.name}"


def _digest(pins: CorpusPins, repository: Repository) -> str:
    """Return a hash of all that the results depend on."""
    key = [VERSION, repository.name, repository.commit, pins.model_dump(exclude={"repositories"})]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]


def _about(pins: CorpusPins, chosen: Iterable[Repository]) -> dict[str, Any]:
    repositories = [{"repo": each.name, "commit": each.commit} for each in chosen]
    return {
        "corpus": pins.corpus,
        "licence": pins.licence,
        "converters": VERSION,
        "repositories": repositories,
    }


def finished(out: Path, about: dict[str, Any]) -> Fetched | None:
    """Return the result that `out` already holds, None if it holds none."""
    notes, meta = out / "notes.jsonl", out / "META.json"
    if not notes.exists():
        return None
    try:
        found = json.loads(meta.read_text(encoding="utf-8"))
        same = {key: found.get(key) for key in about} == about
    except (OSError, ValueError, AttributeError):
        same = False
    if not same:
        raise ConfigError(f"{out} holds other notes: choose another --out, or remove {notes} to fetch anew")
    return Fetched(notes, found["notes"], found["pictures"], found["skipped"])


def finish(
    out: Path, notes: list[dict[str, Any]], skips: SkipReport, about: dict[str, Any], keep: bool = False
) -> Fetched:
    """Write `skipped.jsonl`, `META.json` and, last and atomically, `notes.jsonl`. Links stay inside `notes`.

    keep: leave `out`/.fetch.
    """
    ids = {note["id"] for note in notes}
    pictures = sum(len(note["images"]) for note in notes)
    counts = skips.counts()
    skips.write(out / "skipped.jsonl")
    meta = about | {"notes": len(notes), "pictures": pictures, "skipped": counts}
    _write(out / "META.json", json.dumps(meta, ensure_ascii=False, indent=1) + "\n")
    linked = (note | {"links": [link for link in note["links"] if link in ids]} for note in notes)
    # Written last: its existence means that the fetch is complete.
    _write(out / "notes.jsonl", "".join(json.dumps(note, ensure_ascii=False) + "\n" for note in linked))
    if not keep:
        shutil.rmtree(out / ".fetch", ignore_errors=True)
    return Fetched(out / "notes.jsonl", len(notes), pictures, counts)


def _write(path: Path, text: str) -> None:
    # A lone surrogate, which a broken title might hold, becomes "?".
    with write_atomic(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="replace", newline="\n")
