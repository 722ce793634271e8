"""Vision feature cache by picture digest: computed once, kept on disk, read by memory map.

Shards are safetensors files of float16 [4, 3584] per digest, written to a temporary name and renamed,
so that a crash leaves whole shards only and the next run continues with the rest. Pictures pass the tower
one by one: on a CPU that is as fast as a batch, and features that do not depend on their neighbours are
the same in every run, which resumed training relies on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from cachetools import LRUCache
from safetensors import SafetensorError, safe_open

from uninote.corpus.decode import load_picture
from uninote.encoder.compact.vision import VisionTower
from uninote.encoder.shards import write_shard
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

log = logging.getLogger(__name__)

SHARD = 256
MEMORY = 4096


class VisionFeatures:
    """Cache of vision features in memory for recent pictures and, given a folder, on disk.

    The folder belongs to one tower at one input side; `<folder>/<tower>-<side>` keeps them apart.
    """

    def __init__(
        self, tower: VisionTower, settings: CorpusSettings | None = None, folder: Path | None = None
    ) -> None:
        self.tower = tower
        self.settings = settings or CorpusSettings()
        self.folder = folder / f"efficientnet-lite0-levels-{tower.side}" if folder else None
        self.recent: LRUCache[str, torch.Tensor] = LRUCache(MEMORY)
        self.shards: dict[str, Any] = {}
        if self.folder and self.folder.is_dir():
            for shard in sorted(self.folder.glob("*.safetensors")):
                self._open(shard)

    def __deepcopy__(self, memo: dict[int, Any]) -> VisionFeatures:
        """Return self: copies of a backbone share the frozen tower and what it has computed."""
        return self

    def _open(self, shard: Path) -> None:
        try:
            handle = safe_open(shard, framework="pt")
        except SafetensorError as error:
            log.warning("%s is damaged and will be computed again: %s", shard, error)
            shard.unlink(missing_ok=True)
            return
        self.shards |= dict.fromkeys(handle.keys(), handle)

    def __contains__(self, picture: Picture) -> bool:
        return picture.digest in self.recent or picture.digest in self.shards

    def __call__(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """Return float32 [n, 4, 3584]. Raises PictureError for the first picture that cannot be decoded."""
        return torch.stack([self._get(picture) for picture in pictures]).float()

    def _get(self, picture: Picture) -> torch.Tensor:
        digest = picture.digest
        found: torch.Tensor | None = self.recent.get(digest)
        if found is None:
            stored = self.shards.get(digest)
            found = stored.get_tensor(digest) if stored else self._compute(self._pixels(picture))
            self.recent[digest] = found
        return found

    def _pixels(self, picture: Picture) -> torch.Tensor:
        return self.tower.pixels(load_picture(picture, self.settings))

    def _compute(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the cells, float16 [4, 3584], of pixels float32 [3, side, side]."""
        cells: torch.Tensor = self.tower(pixels[None])[0].half()
        return cells

    def fill(self, pictures: Iterable[Picture], progress: bool = False) -> dict[str, PictureError]:
        """Compute and store missing features, on all cores. Returns errors by digest.

        Interrupted, it loses at most one shard of work.
        """
        missing = [p for p in {p.digest: p for p in pictures}.values() if p not in self]
        failures: dict[str, PictureError] = {}

        def cells_or_none(picture: Picture) -> torch.Tensor | None:
            try:
                return self._compute(self._pixels(picture))
            except PictureError as error:
                failures[picture.digest] = error
                return None

        # A thread a core, each on a picture of its own: the tower's layers are too small to share out.
        threads = torch.get_num_threads()
        with (
            show_progress("vision features", len(missing), show=progress) as bar,
            ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            for start in range(0, len(missing), SHARD):
                block = missing[start : start + SHARD]
                cells: dict[str, torch.Tensor] = {}
                for picture, found in zip(block, pool.map(cells_or_none, block), strict=True):
                    if found is not None:
                        cells[picture.digest] = found
                    bar.advance()
                self._store(cells)
        torch.set_num_threads(threads)  # the workers' setting changes shared state of the library
        return failures

    def _store(self, cells: dict[str, torch.Tensor]) -> None:
        if not cells:
            return
        if self.folder is None:
            self.recent.update(cells)
            return
        # Named by its first picture: two processes with the same pictures write the same shards.
        shard = self.folder / f"{next(iter(cells))}.safetensors"
        write_shard(cells, shard)
        self._open(shard)
