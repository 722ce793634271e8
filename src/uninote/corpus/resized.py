"""Decoding to a smaller size: a large JPEG is first decoded at 1/2, 1/4 or 1/8 of its sides (DCT scaling)."""

from __future__ import annotations

from math import ceil

from PIL import Image, ImageFile

from uninote.corpus.decode import decoded, is_turned, whole
from uninote.corpus.rgb import squeezed, squeezed_size, to_rgb
from uninote.items import Picture
from uninote.settings import CorpusSettings

RESERVE = 2.0
"""Least ratio of the sides of a JPEG decoded at a reduced scale to the sides that it is resized to."""


def load_resized(
    picture: Picture,
    settings: CorpusSettings,
    size: tuple[int, int],
    resample: Image.Resampling,
    reserve: float = RESERVE,
) -> Image.Image:
    """Decode the picture as `load_picture` does and resize it to `size` (width, height).

    A JPEG is decoded at the smallest scale whose sides are at least `reserve` times those of `size`;
    docs/input-pipeline.md states how far its pixels may differ from those of a full decoding. The pixels of
    all other pictures are equal to them. Raises what `load_picture` does.
    """

    def show(image: ImageFile.ImageFile, form: str, settings: CorpusSettings) -> Image.Image:
        stored, full = size[::-1] if is_turned(image) else size, image.size
        if form == "JPEG" and squeezed_size(full) == full:
            drafted = image.draft(None, (ceil(reserve * stored[0]), ceil(reserve * stored[1])))
            if drafted and image.size != full:
                # The box leaves out what the last row and column have beyond the picture.
                return to_rgb(image.convert("RGB").resize(stored, resample, drafted[1]))
        return squeezed(whole(image, form, settings)).resize(size, resample)

    return decoded(picture, settings, show)
