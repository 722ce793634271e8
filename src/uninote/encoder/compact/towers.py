"""Frozen towers of the compact backbone with the caches of their outputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from uninote.corpus.decode import load_picture
from uninote.encoder.batching import blocks
from uninote.encoder.compact.rows import Row, RowCache, key_of
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.towers import TextTower, VisionTower, text_tower, vision_tower
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

EXPORTED = "towers"
"""Folder of the graphs in an exported model."""
SHARD = 256
"""Rows computed between two writes to disk: what an interrupted run loses at most."""
COUNTS = 65_536
"""Texts whose number of tokens is kept."""


class Towers:
    """Towers of texts and of pictures, each element run once. Copies of a model share them.

    Args:
        folder: where rows are kept on disk; None: in memory only.
    """

    def __init__(
        self,
        texts: Sequence[TextTower],
        vision: VisionTower,
        corpus: CorpusSettings | None = None,
        folder: Path | None = None,
    ) -> None:
        self.texts, self.vision = tuple(texts), vision
        self.corpus = corpus or CorpusSettings()
        self.folder = folder
        self._rows = [RowCache(folder / tower.name if folder else None) for tower in self.texts]
        self._seen = RowCache(folder / vision.name if folder else None)
        self.count = lru_cache(COUNTS)(self._count)

    @classmethod
    def open(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings | None,
        folder: Path | None,
        model: Path | None = None,
    ) -> Self:
        """Load the towers that the settings name, or the graphs of an exported model in `model`.

        Raises ModelError for one that cannot be loaded.
        """
        options: dict[str, Any] = {"device": settings.device, "precision": settings.precision}
        sources, seen = list(settings.text), settings.vision
        if model is not None and (model / EXPORTED).is_dir():
            sources = [str(model / EXPORTED / f"text-{n}") for n in range(len(sources))]
            seen = str(model / EXPORTED / "vision")
        texts = [text_tower(name, **options) for name in sources]
        vision = vision_tower(seen, side=settings.vision_side, **options)
        return cls(texts, vision, corpus, folder)

    @property
    def names(self) -> list[str]:
        """Names of the towers, that of pictures last, whatever their precision."""
        names = [*(tower.name for tower in self.texts), self.vision.name]
        return [name.removesuffix("-int8") for name in names]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return self."""
        return self

    def _count(self, text: str) -> int:
        return self.texts[0].count(text)

    def text_rows(self, texts: Sequence[str], progress: bool = False) -> NDArray[np.float32]:
        """Return rows float32 [n, sum of the widths]: those of all text towers side by side."""
        made = [
            self._filled(tower, cache, texts, progress)
            for tower, cache in zip(self.texts, self._rows, strict=True)
        ]
        return np.concatenate(made, 1)

    def _filled(
        self, tower: TextTower, cache: RowCache, texts: Sequence[str], progress: bool
    ) -> NDArray[np.float32]:
        keys = [key_of(text) for text in texts]
        known = {key: cache.get(key) for key in keys}
        found = {key: row for key, row in known.items() if row is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        # Long texts first: of similar lengths, they fill the batches of the tower.
        order = sorted(missing, key=lambda key: -len(missing[key]))
        with show_progress("text elements", len(order), show=progress and bool(order)) as bar:
            for part in blocks(order, SHARD):
                rows = tower.encode([missing[key] for key in part]).astype(np.float16)
                new = dict(zip(part, rows, strict=True))
                cache.put(new)
                found |= new
                bar.advance(len(part))
        return stacked([found[key] for key in keys], tower.width)

    def picture_rows(self, pictures: Sequence[Picture]) -> NDArray[np.float32]:
        """Return rows float32 [n, width]. Raises PictureError for the first that cannot be decoded."""
        failures: dict[str, PictureError] = {}
        found = self._seen_rows(pictures, failures)
        if failures:
            raise next(iter(failures.values()))
        return stacked([found[picture.digest] for picture in pictures], self.vision.width)

    def fill_pictures(self, pictures: Iterable[Picture], progress: bool = False) -> dict[str, PictureError]:
        """Compute the rows that the cache lacks. Returns the errors by digest."""
        failures: dict[str, PictureError] = {}
        for block in blocks(pictures, 16 * SHARD):
            self._seen_rows(block, failures, progress)
        return failures

    def _seen_rows(
        self, pictures: Sequence[Picture], failures: dict[str, PictureError], progress: bool = False
    ) -> dict[str, Row]:
        distinct = {picture.digest: picture for picture in pictures}
        known = {digest: self._seen.get(key_of(digest)) for digest in distinct}
        found = {digest: row for digest, row in known.items() if row is not None}
        missing = [picture for digest, picture in distinct.items() if digest not in found]

        def decoded(picture: Picture) -> NDArray[np.float32] | PictureError:
            try:
                return self.vision.pixels(load_picture(picture, self.corpus))
            except PictureError as error:
                return error

        if not missing:
            return found
        with (
            show_progress("pictures", len(missing), show=progress) as bar,
            ThreadPoolExecutor() as pool,
        ):
            for part in blocks(missing, SHARD if progress else len(missing)):
                new: dict[str, Row] = {}
                for some in blocks(part, 8):
                    pixels = dict(zip(some, pool.map(decoded, some), strict=True))
                    failures |= {p.digest: e for p, e in pixels.items() if isinstance(e, PictureError)}
                    usable = {p.digest: e for p, e in pixels.items() if not isinstance(e, PictureError)}
                    if usable:
                        rows = self.vision.encode(np.stack(list(usable.values()))).astype(np.float16)
                        new |= dict(zip(usable, rows, strict=True))
                    bar.advance(len(some))
                self._seen.put({key_of(digest): row for digest, row in new.items()})
                found |= new
        return found

    def reserve(self, texts: int, pictures: int) -> None:
        """Keep at least this many rows in memory."""
        for cache in self._rows:
            cache.reserve(texts)
        self._seen.reserve(pictures)


def stacked(rows: Sequence[Row], width: int) -> NDArray[np.float32]:
    """Return float32 [n, width], also of no rows."""
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, width), np.float32)
