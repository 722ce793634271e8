"""Frozen towers of the compact backbone with the caches of their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from uninote.corpus.decode import DECODING, load_picture
from uninote.encoder.batching import blocks
from uninote.encoder.compact.rows import Row, RowCache, key_of
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.stand_in import GREY, finite_texts, warn_once
from uninote.encoder.towers import TextTower, VisionTower, text_tower, vision_tower
from uninote.encoder.towers.saved import INT8
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.limits import cores
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

EXPORTED = "towers"
"""Folder of the graphs in an exported model."""
SHARD = 256
"""Rows computed between two writes to disk: what an interrupted run loses at most."""
DECODED = 8
"""Pictures decoded at once, before they are encoded."""
T = TypeVar("T")
Rows = dict[bytes, Row]
"""Rows by key."""
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
        seen = f"{vision.name}-decoding{DECODING}"  # other pixels have other rows
        self._seen = RowCache(folder / seen if folder else None)
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
        return [name.removesuffix(INT8) for name in names]

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return self."""
        return self

    def _count(self, text: str) -> int:
        return self.texts[0].count(text)

    def text_rows(
        self, texts: Sequence[str], progress: bool = False, stand_in: bool = False
    ) -> NDArray[np.float32]:
        """Return rows float32 [n, sum of the widths]: those of all text towers side by side.

        stand_in: zeros take the place of a row that is not finite (`encoder.stand_in`).
        """
        keys = [key_of(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        made = []
        for tower, cache in zip(self.texts, self._rows, strict=True):
            found = filled_texts(cache, wanted, tower, "text elements", progress)
            made.append(stacked([found[key] for key in keys], tower.width))
        rows = np.concatenate(made, 1)
        return finite_texts(rows, texts) if stand_in else rows

    def picture_rows(self, pictures: Sequence[Picture], stand_in: bool = False) -> NDArray[np.float32]:
        """Return rows float32 [n, width]. Raises PictureError for the first that cannot be decoded,
        or that the tower gives a row with NaN or infinite values.

        stand_in: a grey picture takes its place instead (`encoder.stand_in`).
        """
        failures: dict[str, PictureError] = {}
        found = self._seen_rows(pictures, failures)
        if failures and not stand_in:
            raise next(iter(failures.values()))
        for digest, error in failures.items():
            warn_once(digest, error)
            found[key_of(digest)] = self._grey
        return stacked([found[key_of(picture.digest)] for picture in pictures], self.vision.width)

    @cached_property
    def _grey(self) -> Row:
        row: Row = self.vision.encode(self.vision.pixels(GREY)[None]).astype(np.float16)[0]
        return row

    def fill_pictures(self, pictures: Iterable[Picture], progress: bool = False) -> dict[str, PictureError]:
        """Compute the rows that the cache lacks. Returns the errors by digest."""
        failures: dict[str, PictureError] = {}
        for block in blocks(pictures, 16 * SHARD):
            self._seen_rows(block, failures, progress)
        return failures

    def _seen_rows(
        self, pictures: Sequence[Picture], failures: dict[str, PictureError], progress: bool = False
    ) -> Rows:
        def decoded(picture: Picture) -> NDArray[np.float32] | PictureError:
            try:
                return self.vision.pixels(load_picture(picture, self.corpus))
            except PictureError as error:
                return error

        def run(part: dict[bytes, Picture], done: Callable[[int], None]) -> Rows:
            new: Rows = {}
            with ThreadPoolExecutor(cores()) as pool:
                for some in blocks(part.items(), DECODED):
                    pixels = list(pool.map(decoded, (picture for _, picture in some)))
                    usable: dict[bytes, NDArray[np.float32]] = {}
                    for (key, picture), one in zip(some, pixels, strict=True):
                        if isinstance(one, PictureError):
                            failures[picture.digest] = one
                        else:
                            usable[key] = one
                    if usable:
                        rows = self.vision.encode(np.stack(list(usable.values()))).astype(np.float16)
                        for key, row in zip(usable, rows, strict=True):
                            if np.isfinite(row).all():
                                new[key] = row
                            else:
                                failures[part[key].digest] = PictureError(
                                    f"picture sha256:{part[key].digest[:12]} gives NaN or infinite values: "
                                    "leave it out, or check the weights of encoder.vision"
                                )
                    done(len(some))
            return new

        wanted = {key_of(picture.digest): picture for picture in pictures}
        return filled(self._seen, wanted, run, "pictures", progress)

    def reserve(self, texts: int, pictures: int) -> None:
        """Keep at least this many rows in memory."""
        for cache in self._rows:
            cache.reserve(texts)
        self._seen.reserve(pictures)


def filled(
    cache: RowCache,
    wanted: dict[bytes, T],
    run: Callable[[dict[bytes, T], Callable[[int], None]], Rows],
    title: str,
    progress: bool,
    longest: Callable[[T], int] | None = None,
) -> Rows:
    """Return rows by key: those of the cache, and new ones, which are put into it shard by shard.

    Args:
        run: returns the rows of some contents, without those that it cannot compute, and calls its second
            argument with the number of contents that are done.
        longest: size of a content, of which the largest come first.
    """
    found = {key: row for key in wanted if (row := cache.get(key)) is not None}
    missing = [key for key in wanted if key not in found]
    if longest is not None:
        missing.sort(key=lambda key: -longest(wanted[key]))
    with show_progress(title, len(missing), show=progress and bool(missing)) as bar:
        for part in blocks(missing, SHARD):
            new = run({key: wanted[key] for key in part}, bar.advance)
            cache.put({key: row for key, row in new.items() if np.isfinite(row).all()})
            found |= new
    return found


def filled_texts(
    cache: RowCache, wanted: dict[bytes, str], tower: TextTower, title: str, progress: bool
) -> Rows:
    """Return the rows of texts by key as `filled` does, with those of one tower."""

    def run(part: dict[bytes, str], done: Callable[[int], None]) -> Rows:
        rows = tower.encode(list(part.values())).astype(np.float16)
        done(len(part))
        return dict(zip(part, rows, strict=True))

    # Long texts first: of similar lengths, they fill the batches of a tower.
    return filled(cache, wanted, run, title, progress, longest=len)


def stacked(rows: Sequence[Row], width: int) -> NDArray[np.float32]:
    """Return float32 [n, width], also of no rows."""
    return np.stack(rows).astype(np.float32) if rows else np.zeros((0, width), np.float32)
