"""Picture edits that are common on platforms, one function each.

Each takes upright RGB of any size and returns RGB; all but `crop` and `shrink` keep the size. They are
deterministic, so that a query is the same in every run and for every method.
"""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFont, ImageOps

from uninote.items import Picture

Transform = Callable[[Image.Image], Image.Image]

CROP = 0.75
"""Share of each side that a crop keeps: 56 % of the area."""
SHRINK = 0.5
MARK = "@ sample · do not copy"
CAPTION = "You will not believe what happened next"


def crop(image: Image.Image) -> Image.Image:
    """Crop to the upper left `CROP` of both sides."""
    width, height = (max(1, round(CROP * side)) for side in image.size)
    return image.crop((0, 0, width, height))


def shrink(image: Image.Image) -> Image.Image:
    """Shrink both sides by `SHRINK`."""
    width, height = (max(1, round(SHRINK * side)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int = 15) -> Image.Image:
    """Compress as JPEG of low quality, with visible blocks."""
    return _through(image, "JPEG", quality)


def recompress(image: Image.Image) -> Image.Image:
    """Compress four times, WebP and JPEG in turn, at three quarters of the size, and resize back."""
    small = image.resize(
        (max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.BILINEAR
    )
    for kind in ("WEBP", "JPEG", "WEBP", "JPEG"):
        small = _through(small, kind, 40)
    return small.resize(image.size, Image.Resampling.BILINEAR)


def watermark(image: Image.Image) -> Image.Image:
    """Draw a name repeatedly over the picture, half transparent, in white with a dark outline."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    size = max(10, min(image.size) // 14)
    font = ImageFont.load_default(size)
    for row, top in enumerate(range(size, image.height, 4 * size)):
        for left in range(-3 * size * (row % 2), image.width, 14 * size):
            draw.text(
                (left, top), MARK, (255, 255, 255, 130), font, stroke_width=1, stroke_fill=(0, 0, 0, 90)
            )
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def overlay(image: Image.Image) -> Image.Image:
    """Draw a caption on an opaque band over the lowest fifth, as in reposts."""
    result = image.copy()
    draw = ImageDraw.Draw(result)
    top = image.height - max(1, image.height // 5)
    draw.rectangle((0, top, image.width, image.height), fill=(20, 20, 20))
    size = max(8, min((image.height - top) // 2, 2 * image.width // len(CAPTION)))
    draw.text((size // 2, top + size // 2), CAPTION, (255, 255, 255), ImageFont.load_default(size))
    return result


def mirror(image: Image.Image) -> Image.Image:
    """Mirror left and right."""
    return ImageOps.mirror(image)


TRANSFORMS: dict[str, Transform] = {
    "crop": crop,
    "resize": shrink,
    "JPEG": jpeg,
    "recompressed": recompress,
    "watermark": watermark,
    "text overlay": overlay,
    "mirrored": mirror,
}
"""Edits by the name that tables show."""


def edited(image: Image.Image, transform: Transform) -> Picture:
    """Return the transformed picture as PNG in memory, without annotations."""
    buffer = io.BytesIO()
    transform(image).save(buffer, "PNG", compress_level=1)
    return Picture.from_bytes(buffer.getvalue())


def _through(image: Image.Image, kind: str, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=quality)
    with Image.open(buffer, formats=(kind,)) as decoded:
        return decoded.convert("RGB")
