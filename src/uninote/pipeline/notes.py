"""Preparation of notes: read, filter, annotate, check pictures, split into train, validation and test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from uninote.annotate.factory import make_describer, make_reader
from uninote.annotate.run import annotate_notes
from uninote.annotate.spread import Spread
from uninote.corpus.decode import check_picture
from uninote.corpus.order import seeded_rank
from uninote.corpus.quality import balance_notes, filter_notes
from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import Splits, split_notes
from uninote.errors import NoteError, PictureError
from uninote.items import Note, Picture
from uninote.limits import cores
from uninote.progress import show_progress
from uninote.settings import CorpusSettings, Settings


def load_notes(source: str | Path, settings: Settings, report: SkipReport) -> list[Note]:
    """Load the notes that pass the quality filter, balanced over topics. Raises NoteError if none is left."""
    notes = filter_notes(read_notes(source, settings.corpus, report), settings.corpus, report)
    notes = balance_notes(notes, settings.corpus.balance_per_topic, settings.seed)
    if not notes:
        reasons = ", ".join(f"{count} x {kind}" for kind, count in report.counts().items())
        raise NoteError(f"{source} holds no usable note ({reasons or 'it is empty'})")
    return notes


def annotate(
    notes: Sequence[Note],
    settings: Settings,
    cache: Path,
    report: SkipReport,
    progress: bool,
    spread: Spread | None = None,
) -> list[Note]:
    """Fill in missing descriptions and OCR lines.

    `spread` (see `on_ray.annotate`) distributes the work; cache and result stay on this machine.
    """
    key = os.environ.get("OPENAI_API_KEY") if settings.annotate.describe == "openai" else None
    return annotate_notes(
        notes,
        make_describer(settings.annotate, key),
        make_reader(settings.annotate),
        settings.corpus,
        cache,
        workers=settings.annotate.workers,
        report=report,
        progress=progress,
        spread=spread,
    )


def drop_unreadable(
    notes: Sequence[Note], settings: CorpusSettings, report: SkipReport, progress: bool
) -> list[Note]:
    """Decode all pictures, and remove those that cannot be decoded from their notes."""
    broken = undecodable((picture for note in notes for picture in note.pictures), settings, progress)
    if not broken:
        return list(notes)
    kept = []
    for note in notes:
        for number, picture in enumerate(note.pictures):
            if picture.digest in broken:
                report.add(note.id, f"bad picture: {broken[picture.digest]}", f"pictures[{number}]")
        whole = note.with_pictures(tuple(p for p in note.pictures if p.digest not in broken))
        if whole.pictures or whole.title.strip() or whole.body.strip():
            kept.append(whole)
    return kept


def undecodable(
    pictures: Iterable[Picture], settings: CorpusSettings, progress: bool
) -> dict[str, PictureError]:
    """Return the errors of pictures that cannot be decoded, by digest. All cores decode."""
    unique = list({picture.digest: picture for picture in pictures}.values())

    broken: dict[str, PictureError] = {}

    def check(picture: Picture) -> None:
        try:
            check_picture(picture, settings)
        except PictureError as error:
            broken[picture.digest] = error

    shown = show_progress("pictures", len(unique), show=progress, transient=True)
    with ThreadPoolExecutor(cores()) as pool, shown as bar:
        for _ in pool.map(check, unique):
            bar.advance()
    return broken


def distractors_of(splits: Splits, measured: str, settings: Settings) -> list[Note]:
    """Return the notes that stand as wrong targets in the suite of a split: "test" or "validation".

    They are those of training, and of validation if that is not measured: `evaluation.distractors` of them
    at most, drawn by a hash of seed and id.
    """
    notes = [*splits.train, *(splits.validation if measured != "validation" else ())]
    drawn = sorted(notes, key=lambda note: seeded_rank(note.id, settings.seed))
    return drawn[: settings.evaluation.distractors]


def split(notes: Sequence[Note], settings: Settings) -> Splits:
    """Split into train, validation and test by connected groups, without leaks.

    Raises NoteError if train or test is empty.
    """
    corpus = settings.corpus
    splits = split_notes(notes, corpus.test_fraction, corpus.validation_fraction, settings.seed)
    if not splits.train or not splits.test:
        raise NoteError(
            f"{len(notes)} notes cannot be split into train and test without a leak: "
            "bring more notes, or notes that share fewer pictures and links"
        )
    return splits
