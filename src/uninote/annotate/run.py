"""Annotation run: fills missing descriptions and OCR lines of notes, in parallel, cached and resumable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from uninote.annotate.cache import Annotation, AnnotationCache
from uninote.annotate.protocol import Describer, OcrReader
from uninote.annotate.reading import Lines, PictureReader
from uninote.annotate.spread import Spread, annotated, in_threads
from uninote.corpus.skips import SkipReport
from uninote.items import Note, Picture
from uninote.settings import CorpusSettings


def annotate_notes(
    notes: Sequence[Note],
    describer: Describer | None,
    reader: OcrReader | None,
    corpus_settings: CorpusSettings,
    cache_dir: Path,
    *,
    workers: int,
    report: SkipReport,
    progress: bool,
    spread: Spread | None = None,
) -> list[Note]:
    """Fill empty descriptions and unread OCR lines (`ocr is None`) of notes; keep the rest.

    * Each distinct picture is annotated once and stored in `cache_dir`. After a kill, the next run resumes
      after the last finished batch.
    * The reader runs in `workers` threads (0: one per core), the describer in this one; with `spread`, both
      run where it sends them.
    * A picture that fails is left unchanged, reported in `report`, and tried again by the next run.

    Raises ModelError when an annotator fails on all pictures.
    """
    undescribed = _unique(notes, lambda picture: not picture.description)
    unread = _unique(notes, lambda picture: picture.ocr is None)
    texts: dict[str, Annotation] = {}
    failures: list[dict[str, str]] = []
    if describer and undescribed:
        with AnnotationCache(cache_dir) as cache:
            texts, failed = annotated(
                undescribed,
                describer,
                corpus_settings,
                cache,
                title="describing",
                spread=spread or partial(in_threads, 1),
                progress=progress,
            )
        failures.append(failed)
    lines: dict[str, Lines] = {}
    if reader and unread:
        read = PictureReader(reader, corpus_settings, cache_dir, workers, spread).read(
            unread.values(), progress
        )
        lines = {digest: found for digest, found in read.items() if isinstance(found, tuple)}
        failures.append({digest: str(found) for digest, found in read.items() if digest not in lines})
    for note in notes:
        for number, picture in enumerate(note.pictures):
            for failed in failures:
                if picture.digest in failed:
                    report.add(note.id, failed[picture.digest], f"pictures[{number}]")
    return [
        note.with_pictures(tuple(_filled(picture, texts, lines) for picture in note.pictures))
        for note in notes
    ]


def _unique(notes: Iterable[Note], missing: Callable[[Picture], bool]) -> dict[str, Picture]:
    return {picture.digest: picture for note in notes for picture in note.pictures if missing(picture)}


def _filled(picture: Picture, texts: dict[str, Annotation], lines: dict[str, Lines]) -> Picture:
    description, ocr = picture.description, picture.ocr
    if not description:
        description = str(texts.get(picture.digest, ""))
    if ocr is None:
        ocr = lines.get(picture.digest)
    return replace(picture, description=description, ocr=ocr)
