"""Picture inputs of a Qwen-style vision tower: sizes and patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from cachetools import FIFOCache
from numpy.typing import NDArray
from PIL import Image
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from uninote.corpus.decode import upright_size
from uninote.corpus.resized import RESERVE, load_resized
from uninote.corpus.rgb import squeezed_size
from uninote.encoder.protocol import Inputs
from uninote.encoder.qwen.patches import normalised, to_patches
from uninote.encoder.qwen.rows import Spot
from uninote.encoder.stand_in import GREY, warn_once
from uninote.encoder.threads import Threads
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

MIN_UNITS = 4
"""Fewest visual tokens of a picture, which is enlarged for it as far as its budget allows."""
SIZES = 65_536


class Pixels:
    """Sizes and patches of pictures.

    Attributes:
        unit: side in pixels of the square that becomes one visual token.
        threads: those that decode pictures.
        reserve: see `load_resized`.
        pinned: True when batches are made in pinned memory, for a GPU.
    """

    def __init__(
        self, processor: Any, corpus: CorpusSettings | None = None, threads: int = 1, pinned: bool = False
    ) -> None:
        self.processor, self.threads = processor, Threads(threads, "decode")
        self.reserve, self.pinned = RESERVE, pinned
        self.corpus = corpus or CorpusSettings()
        self.unit = int(processor.patch_size * processor.merge_size)
        # First in, first out: a read changes nothing, so threads may read at once.
        self._sizes: FIFOCache[str, tuple[int, int]] = FIFOCache(SIZES)

    def side(self, picture: Picture, budget: int) -> tuple[int, int]:
        """Return height and width at which the picture takes at most `budget` >= 1 visual tokens.

        Sizes come from the header; a picture without one counts as one token and fails when it is decoded.
        """
        height, width = self.size(picture)
        most = budget * self.unit**2
        while True:
            least = min(MIN_UNITS * self.unit**2, most)
            side = smart_resize(height, width, self.unit, min_pixels=least, max_pixels=most)
            # A long and thin picture is never narrower than one token, so the first try can be over budget.
            if side[0] * side[1] <= budget * self.unit**2 or most <= 1:
                return side if side[0] * side[1] <= budget * self.unit**2 else (self.unit, self.unit)
            most //= 2

    def size(self, picture: Picture) -> tuple[int, int]:
        """Return height and width of the upright picture in pixels, from its header."""
        found: tuple[int, int] | None = self._sizes.get(picture.digest)
        if found is None:
            try:
                width, height = squeezed_size(upright_size(picture))
            except PictureError:  # decoding reports the fault
                width, height = 1, 1
            found = self._sizes[picture.digest] = (height, width)
        return found

    def patches(
        self,
        shown: Sequence[Picture],
        side: tuple[int, int],
        stand_in: bool = False,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return uint8 [patches, values] of a picture, or of the frames of a temporal patch, at `side`.

        side: height and width in pixels. stand_in: a grey picture takes the place of one that cannot be
        decoded (`encoder.stand_in`). out: see `to_patches`. Raises what `load_picture` does.
        """
        frames = [self._frame(picture, side, stand_in) for picture in shown]
        processor = self.processor
        whole = np.broadcast_to(np.stack(frames), (processor.temporal_patch_size, *frames[0].shape))
        return to_patches(whole, processor.patch_size, processor.merge_size, out)

    def resized(self, picture: Picture, side: tuple[int, int]) -> Image.Image:
        """Return the picture at that height and width in pixels. Raises what `load_picture` does."""
        resample = Image.Resampling(self.processor.resample)
        return load_resized(picture, self.corpus, side[::-1], resample, self.reserve)

    def _frame(self, picture: Picture, side: tuple[int, int], stand_in: bool) -> NDArray[np.uint8]:
        try:
            image = self.resized(picture, side)
        except PictureError as error:
            if not stand_in:
                raise
            warn_once(picture.digest, error)
            image = GREY.resize(side[::-1])
        return np.asarray(image)

    def batch(
        self, spots: Sequence[Spot], pictures: Mapping[str, Sequence[Picture]], stand_in: bool = False
    ) -> Inputs:
        """Return pixels uint8 [patches, values] and grids int64 [u, 3] of the pictures at `spots`.

        pictures: the picture, or the frames of the temporal patch, of each digest. Several spots are decoded
            in parallel. Raises what `load_picture` does.
        """
        size = self.processor.patch_size
        grids = [[1, height // size, width // size] for _, (height, width) in spots]
        counts = [height * width for _, height, width in grids]
        values = 3 * self.processor.temporal_patch_size * size**2
        pixels = torch.empty(sum(counts), values, dtype=torch.uint8, pin_memory=self.pinned)
        calls = [
            partial(self.patches, pictures[digest], side, stand_in, out)
            for (digest, side), out in zip(spots, pixels.split(counts), strict=True)
        ]
        self.threads.run(calls)
        return {"pixels": pixels, "grids": torch.tensor(grids)}

    def normalised(self, pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Return the pixels as the vision tower takes them, on their device."""
        return normalised(pixels, self.processor.image_mean, self.processor.image_std, dtype)
