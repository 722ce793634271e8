"""Safe picture decoding. Every unusable picture raises PictureError.

Order of the checks: byte cap by `stat` before reading, format allow-list, pixel cap and shortest side from
the header, truncation. Only `load_picture` decodes pixels, and only those of the first frame.
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from uninote.corpus.rgb import to_rgb
from uninote.errors import PictureError, TooLargePicture, UnsupportedPicture
from uninote.items import Picture
from uninote.settings import CorpusSettings

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Allowed formats; Pillow tries no other decoder."""

_JPEG_END = b"\xff\xd9"


def read_picture(
    source: Path | bytes,
    settings: CorpusSettings,
    *,
    name: str = "",
    description: str = "",
    ocr: tuple[str, ...] | None = None,
) -> Picture:
    """Return the checked Picture of a file (kept by path) or of encoded bytes (kept in memory), not decoded.

    `name` names it in errors. Raises PictureError as `check_picture` does.
    """
    if isinstance(source, bytes):
        data, path, kept = source, None, source
    else:
        data, path, kept = _read_capped(source, name or str(source), settings), source, None
    _check_encoded(data, name or str(path or "bytes"), settings)
    return Picture(hashlib.sha256(data).hexdigest(), path, kept, description, ocr)


def check_picture(picture: Picture, settings: CorpusSettings, decode: bool = False) -> None:
    """Raise PictureError unless the picture can be used under the caps of `settings`.

    Without `decode` this reads the bytes and the header only: byte cap, allowed format, pixel cap, shortest
    side, and truncation as far as it is visible without decoding (PNG checksums, JPEG end marker, WebP size).
    With `decode` the first frame is decoded as `load_picture` does, which finds all truncation.
    """
    if decode:
        load_picture(picture, settings)
    else:
        _check_encoded(_encoded(picture, settings), _name(picture), settings)


def load_picture(picture: Picture, settings: CorpusSettings) -> Image.Image:
    """Decode the picture as upright RGB (see `to_rgb`); of an animation the first frame.

    Raises PictureError when the bytes are missing, empty, too many, truncated or of no allowed format, or
    when there are too many pixels or a side is too short.
    """
    with _opened(_encoded(picture, settings), _name(picture), settings) as image:
        image.load()
        return to_rgb(image)


def _name(picture: Picture) -> str:
    return str(picture.path) if picture.path else f"sha256:{picture.digest[:12]}"


def _encoded(picture: Picture, settings: CorpusSettings) -> bytes:
    if picture.data is None and picture.path is not None:
        return _read_capped(picture.path, _name(picture), settings)
    return picture.read()


def _read_capped(path: Path, name: str, settings: CorpusSettings) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or device might block or never end
            raise PictureError(f"picture {name} is not a regular file")
        _check_bytes(status.st_size, name, settings)
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"picture {name} cannot be read: {error.strerror or type(error).__name__}"
        ) from error


def _check_bytes(size: int, name: str, settings: CorpusSettings) -> None:
    if size == 0:
        raise PictureError(f"picture {name} is empty (0 bytes)")
    if size > settings.max_picture_bytes:
        raise TooLargePicture(
            f"picture {name} has {size} bytes, over the cap of {settings.max_picture_bytes}; "
            "shrink it or raise corpus.max_picture_bytes"
        )


@contextmanager
def _opened(data: bytes, name: str, settings: CorpusSettings) -> Iterator[ImageFile.ImageFile]:
    """Open a picture without decoding it and check its header; Pillow's errors become PictureErrors."""
    _check_bytes(len(data), name, settings)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, name, settings)
            yield image
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise UnsupportedPicture(
            f"picture {name} is not a readable picture of a known format ({', '.join(FORMATS)})"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargePicture(f"picture {name} has too many pixels: {error}") from error
    except Exception as error:  # on crafted bytes Pillow's decoders raise many other types than OSError
        raise PictureError(f"picture {name} cannot be decoded: {error or type(error).__name__}") from error


def _check_size(size: tuple[int, int], name: str, settings: CorpusSettings) -> None:
    width, height = size
    if width * height > settings.max_picture_pixels:
        raise TooLargePicture(
            f"picture {name} has too many pixels: {width} x {height}, over the cap of "
            f"{settings.max_picture_pixels}; shrink it or raise corpus.max_picture_pixels"
        )
    if min(size) < settings.min_picture_side:
        raise PictureError(
            f"picture {name} is too small: {width} x {height}, the shortest side must be at least "
            f"{settings.min_picture_side}"
        )


def _check_encoded(data: bytes, name: str, settings: CorpusSettings) -> None:
    with _opened(data, name, settings) as image:
        # Opening stops after the header, so that an end marker inside an EXIF thumbnail is not counted.
        if image.format == "JPEG" and image.fp and data.find(_JPEG_END, image.fp.tell()) < 0:
            raise PictureError(f"picture {name} is truncated: it has no end marker")
        image.verify()
