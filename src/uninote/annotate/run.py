"""Annotation run: fills missing descriptions and OCR lines of notes, in parallel, cached and resumable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from uninote.annotate.cache import Annotation, AnnotationCache
from uninote.annotate.protocol import Describer, OcrReader, PartialError
from uninote.corpus.decode import load_picture
from uninote.corpus.skips import SkipReport
from uninote.errors import ModelError, PictureError, UniNoteError
from uninote.items import Note, Picture
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

_BATCH = 16
_Call = Callable[[Sequence[Any]], Sequence[object]]


@dataclass(frozen=True)
class Outcome:
    """Result of one batch: values and failure reasons by picture digest."""

    values: dict[str, Annotation]
    failures: dict[str, str]


Spread = Callable[[Sequence[list[Picture]], Describer | OcrReader, CorpusSettings], Iterator[Outcome]]
"""Function that runs `run_batch` on every batch, on any machine, and yields the outcomes in any order."""


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
    * The reader runs in `workers` processes (0: one per core), the describer in this one; with `spread`, both
      run where it sends them.
    * A picture that fails is left unchanged, reported in `report`, and tried again by the next run.

    Raises ModelError when an annotator fails on all pictures.
    """
    with AnnotationCache(cache_dir) as cache:
        texts, text_failures = _annotate(
            _unique(notes, lambda picture: not picture.description),
            describer,
            corpus_settings,
            cache,
            title="describing",
            spread=spread or partial(_in_processes, 1),
            progress=progress,
        )
        lines, line_failures = _annotate(
            _unique(notes, lambda picture: picture.ocr is None),
            reader,
            corpus_settings,
            cache,
            title="reading text",
            spread=spread or partial(_in_processes, workers or os.cpu_count() or 1),
            progress=progress,
        )
    for note in notes:
        for number, picture in enumerate(note.pictures):
            for failures in (text_failures, line_failures):
                if picture.digest in failures:
                    report.add(note.id, failures[picture.digest], f"pictures[{number}]")
    return [
        note.with_pictures(tuple(_filled(picture, texts, lines) for picture in note.pictures))
        for note in notes
    ]


def _unique(notes: Iterable[Note], missing: Callable[[Picture], bool]) -> dict[str, Picture]:
    return {picture.digest: picture for note in notes for picture in note.pictures if missing(picture)}


def _filled(picture: Picture, texts: dict[str, Annotation], lines: dict[str, Annotation]) -> Picture:
    description, ocr = picture.description, picture.ocr
    if not description:
        description = str(texts.get(picture.digest, ""))
    if ocr is None and picture.digest in lines:
        ocr = tuple(lines[picture.digest])
    return replace(picture, description=description, ocr=ocr)


def _annotate(
    pictures: dict[str, Picture],
    annotator: Describer | OcrReader | None,
    settings: CorpusSettings,
    cache: AnnotationCache,
    *,
    title: str,
    spread: Spread,
    progress: bool,
) -> tuple[dict[str, Annotation], dict[str, str]]:
    """Return values and failure reasons by digest; store new values in the cache batch by batch."""
    if annotator is None or not pictures:
        return {}, {}
    values, failures = cache.get(annotator.name, pictures), dict[str, str]()
    todo = [picture for digest, picture in pictures.items() if digest not in values]
    batches = [todo[start : start + _BATCH] for start in range(0, len(todo), _BATCH)]
    with show_progress(title, len(pictures), done=len(values), show=progress) as bar:
        for outcome in spread(batches, annotator, settings) if batches else ():
            cache.put(annotator.name, outcome.values)
            values.update(outcome.values)
            failures.update(outcome.failures)
            bar.advance(len(outcome.values) + len(outcome.failures))
    return values, failures


def _in_processes(
    workers: int, batches: Sequence[list[Picture]], annotator: Describer | OcrReader, settings: CorpusSettings
) -> Iterator[Outcome]:
    workers = min(workers, len(batches))
    if workers <= 1:
        for batch in batches:
            yield run_batch(batch, annotator, settings)
        return
    # Spawned, not forked: a forked copy of onnxruntime's or torch's threads can hang.
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(annotator, settings)
    )
    try:
        for future in as_completed([pool.submit(_run_in_worker, batch) for batch in batches]):
            yield future.result()
    except BrokenProcessPool as error:
        raise ModelError(
            "an annotation worker died (out of memory?); run again with fewer annotate.workers, "
            "finished pictures are kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: dict[str, Any] = {}
"""Annotator of this worker process; kept, so that its model is loaded once."""


def _start_worker(annotator: Describer | OcrReader, settings: CorpusSettings) -> None:
    _worker.update(annotator=annotator, settings=settings)


def _run_in_worker(batch: list[Picture]) -> Outcome:
    return run_batch(batch, _worker["annotator"], _worker["settings"])


def run_batch(batch: list[Picture], annotator: Describer | OcrReader, settings: CorpusSettings) -> Outcome:
    """Annotate the pictures of one batch in this process; bad pictures are failures of the outcome."""
    outcome = Outcome({}, {})
    loaded = []
    for picture in batch:
        try:
            loaded.append((picture.digest, load_picture(picture, settings)))
        except PictureError as error:
            outcome.failures[picture.digest] = f"bad picture: {error}"
    results = _call(annotator, [image for _, image in loaded]) if loaded else []
    for (digest, _), result in zip(loaded, results, strict=True):
        if isinstance(result, Exception):
            outcome.failures[digest] = f"not annotated: {result or type(result).__name__}"
        elif not isinstance(result, str):
            outcome.values[digest] = [str(line) for line in result]
        elif result.strip():
            outcome.values[digest] = result
        else:
            outcome.failures[digest] = "not annotated: the description is empty"
    return outcome


def _call(annotator: _Call, images: Sequence[Any]) -> Sequence[Any]:
    """Return each picture's value or error; a batch that fails as a whole is repeated one by one."""
    try:
        return annotator(images)
    except PartialError as error:
        return error.results
    except Exception as error:
        if isinstance(error, UniNoteError) and not isinstance(error, PictureError):
            raise
        if len(images) == 1:
            return [error]
    return [_call(annotator, [image])[0] for image in images]
