"""Batches of pictures annotated in parallel, with a cache, so that each picture is annotated once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from uninote.annotate.cache import Annotation, AnnotationCache
from uninote.annotate.protocol import Describer, OcrReader, PartialError
from uninote.corpus.decode import load_picture
from uninote.errors import PictureError, UniNoteError, reason_of
from uninote.items import Picture
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

BATCH = 16
"""Pictures of one call of an annotator, and of one transaction of the cache."""
_Call = Callable[[Sequence[Any]], Sequence[object]]


@dataclass(frozen=True)
class Outcome:
    """Result of one batch: values and failure reasons by picture digest."""

    values: dict[str, Annotation]
    failures: dict[str, str]


Spread = Callable[[Sequence[list[Picture]], Describer | OcrReader, CorpusSettings], Iterator[Outcome]]
"""Function that runs `run_batch` on every batch, on any machine, and yields the outcomes in any order."""


def annotated(
    pictures: Mapping[str, Picture],
    annotator: Describer | OcrReader,
    settings: CorpusSettings,
    cache: AnnotationCache | None,
    *,
    title: str,
    spread: Spread,
    progress: bool,
    batch: int = 0,
) -> tuple[dict[str, Annotation], dict[str, str]]:
    """Return values and failure reasons by digest; new values are stored in the cache batch by batch.

    batch: pictures of a batch; 0 means `BATCH`.
    """
    batch = batch or BATCH
    values: dict[str, Annotation] = cache.get(annotator.name, pictures) if cache else {}
    failures: dict[str, str] = {}
    todo = [picture for digest, picture in pictures.items() if digest not in values]
    batches = [todo[start : start + batch] for start in range(0, len(todo), batch)]
    with show_progress(title, len(pictures), done=len(values), show=progress) as bar:
        for outcome in spread(batches, annotator, settings) if batches else ():
            if cache:
                cache.put(annotator.name, outcome.values)
            values.update(outcome.values)
            failures.update(outcome.failures)
            bar.advance(len(outcome.values) + len(outcome.failures))
    return values, failures


def in_threads(
    workers: int, batches: Sequence[list[Picture]], annotator: Describer | OcrReader, settings: CorpusSettings
) -> Iterator[Outcome]:
    """Annotate in `workers` threads of this process: the engines compute without the interpreter's lock."""
    workers = min(workers, len(batches))
    if workers <= 1:
        for batch in batches:
            yield run_batch(batch, annotator, settings)
        return
    pool = ThreadPoolExecutor(workers, "annotate")
    try:
        for future in as_completed([pool.submit(run_batch, batch, annotator, settings) for batch in batches]):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


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
            outcome.failures[digest] = f"not annotated: {reason_of(result)}"
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
