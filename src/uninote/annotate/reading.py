"""Reader of pictures: the OCR lines of each, read once and cached by the digest of its bytes.

It is the one way to read pictures: annotation, training, embedding and the service share its caches.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from threading import Lock

from cachetools import LRUCache

from uninote.annotate.cache import AnnotationCache
from uninote.annotate.protocol import OcrReader
from uninote.annotate.spread import BATCH, Spread, annotated, in_threads
from uninote.errors import ModelError, PictureError, reason_of
from uninote.items import Picture
from uninote.limits import cores
from uninote.settings import CorpusSettings

Lines = tuple[str, ...]
REMEMBERED = 16_000_000
"""Characters of lines kept in memory by one reader."""


class PictureReader:
    """Cache in front of an OCR reader; threads may share it.

    A picture that several threads ask for at once is read by one of them.
    """

    def __init__(
        self,
        reader: OcrReader,
        corpus: CorpusSettings,
        folder: Path | None = None,
        workers: int = 0,
        spread: Spread | None = None,
    ) -> None:
        """Create a reader of pictures within the caps of `corpus`; nothing is loaded before the first call.

        Args:
            folder: of the cache on disk (see `AnnotationCache`); None for memory only.
            workers: threads of one call; 0 means one per core.
            spread: runs the batches elsewhere, e.g. on a cluster.
        """
        self._reader, self._corpus, self._folder = reader, corpus, folder
        self._workers = workers or cores()
        self._spread = spread
        self._memory: LRUCache[str, Lines] = LRUCache(REMEMBERED, lambda lines: 100 + sum(map(len, lines)))
        self._under_way: dict[str, Future[Lines | PictureError]] = {}
        self._lock = Lock()

    @property
    def name(self) -> str:
        """Namespace of the lines: readers of equal names read the same. Raises as `OcrReader.name` does."""
        return self._reader.name

    def read(self, pictures: Iterable[Picture], progress: bool = False) -> dict[str, Lines | PictureError]:
        """Return by digest the lines from top to bottom, or the error of a picture that cannot be read.

        `ocr` of the pictures is not looked at. An error is not cached. Raises ModelError when the reader
        fails on all pictures, MissingExtraError when its engine is not installed.
        """
        wanted = {picture.digest: picture for picture in pictures}
        with self._lock:
            found: dict[str, Lines | PictureError] = {
                digest: self._memory[digest] for digest in wanted if digest in self._memory
            }
            others = {
                digest: self._under_way[digest]
                for digest in wanted
                if digest not in found and digest in self._under_way
            }
            own = {
                digest: picture
                for digest, picture in wanted.items()
                if digest not in found and digest not in others
            }
            futures: dict[str, Future[Lines | PictureError]] = {digest: Future() for digest in own}
            self._under_way |= futures
        try:
            read = self._read(own, progress) if own else {}
        except BaseException as error:
            self._end(futures, {}, ModelError(f"another thread failed to read it: {reason_of(error)}"))
            raise
        self._end(futures, read, None)
        return found | read | {digest: future.result() for digest, future in others.items()}

    def _read(self, pictures: dict[str, Picture], progress: bool) -> dict[str, Lines | PictureError]:
        with AnnotationCache(self._folder) if self._folder else nullcontext() as cache:
            values, failures = annotated(
                pictures,
                self._reader,
                self._corpus,
                cache,
                title="reading text",
                spread=self._spread or partial(in_threads, self._workers),
                progress=progress,
                batch=0 if self._spread else max(1, min(BATCH, len(pictures) // self._workers)),
            )
        # A spread may lose a batch, e.g. with a node of a cluster.
        lost: dict[str, Lines | PictureError] = dict.fromkeys(pictures, PictureError("not read: run again"))
        read = {digest: tuple(lines) for digest, lines in values.items()}
        return lost | read | {digest: PictureError(reason) for digest, reason in failures.items()}

    def _end(
        self,
        futures: dict[str, Future[Lines | PictureError]],
        read: dict[str, Lines | PictureError],
        error: ModelError | None,
    ) -> None:
        with self._lock:
            for digest in futures:
                del self._under_way[digest]
                lines = read.get(digest)
                if isinstance(lines, tuple):
                    self._memory[digest] = lines
        for digest, future in futures.items():
            if error is None:
                future.set_result(read[digest])
            else:
                future.set_exception(error)
