"""Picture conversion for the notes of a corpus: JPEG, at most 448 px, named by a hash of the bytes."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

from PIL import Image

from uninote.corpus.decode import load_picture, read_picture
from uninote.corpus.formats import FORMATS
from uninote.corpus.paths import resolve_inside
from uninote.errors import PictureError, reason_of
from uninote.files import write_atomic
from uninote.items import Picture
from uninote.settings import CorpusSettings

MAX_SIDE = 448
MIN_SIDE = 64
MAX_ASPECT = 8
QUALITY = 80

CAPS = CorpusSettings(max_picture_bytes=50_000_000, max_picture_pixels=60_000_000, min_picture_side=MIN_SIDE)
"""The benchmark's largest source has 51.8 million pixels."""


Converted = dict[str, Any]
"""A converted picture: its `path` under the notes' folder, and `src_w` and `src_h` of the source."""


def convert(root: Path, path: str, out: Path) -> Converted:
    """Write the picture `path` of the checkout `root` under `out`/images; return path, src_w and src_h.

    Raises PictureError when it lies outside `root`, cannot be decoded safely, is an animation, has a side
    under 64 pixels, or is over 8 times longer than wide.
    """
    return _convert(read_picture(resolve_inside(root, path), CAPS, name=path), path, out)


def convert_bytes(data: bytes, path: str, out: Path) -> Converted:
    """Write an encoded picture as `convert` does; `path` names it in errors."""
    return _convert(read_picture(data, CAPS, name=path), path, out)


def _convert(picture: Picture, path: str, out: Path) -> Converted:
    _refuse_animation(picture.read(), path)
    image = load_picture(picture, CAPS)
    width, height = image.size
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise PictureError(f"picture {path} is over {MAX_ASPECT} times longer than wide: {width} x {height}")
    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=QUALITY, optimize=True)
    data = encoded.getvalue()
    name = f"images/{hashlib.sha256(data).hexdigest()[:20]}.jpg"
    file = out / name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with write_atomic(file) as partial:
            partial.write_bytes(data)
    return {"path": name, "src_w": width, "src_h": height}


def _refuse_animation(data: bytes, path: str) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            animated = getattr(image, "is_animated", False)
    except Exception as error:  # on crafted bytes Pillow's decoders raise many other types than OSError
        raise PictureError(f"picture {path} cannot be decoded: {reason_of(error)}") from error
    if animated:
        raise PictureError(f"picture {path} is an animation")
