"""Safe picture decoding. Every unusable picture raises PictureError.

Order of the checks: byte cap by `stat` before reading, format by the first bytes, pixel cap and shortest side
from the header, then the pixels. Reading a picture and loading it run the same code, so their verdict is the
same. Metadata has no part in it (see `metadata`).
"""

from __future__ import annotations

import hashlib
import io
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from uninote.corpus.formats import FORMATS, HEIC, VIDEO, format_of
from uninote.corpus.metadata import check_png, without_metadata
from uninote.corpus.rgb import to_rgb
from uninote.errors import MissingExtraError, PictureError, TooLargePicture, UnsupportedPicture, reason_of
from uninote.extras import needs
from uninote.items import Picture
from uninote.settings import CorpusSettings

DECODING = 2
"""Version of the rule by which encoded bytes become pixels; caches of features of pictures name it."""
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
FRAMES = 50
"""Most frames of an animation that are looked at for one that shows something."""
FLAT = 8
"""Largest difference of a colour channel (0-255) in a frame that shows nothing."""

_TURNED = range(5, 9)
"""EXIF orientations that exchange width and height."""

Show = Callable[[ImageFile.ImageFile, str, CorpusSettings], Image.Image]
"""Function from an opened picture, whose size was checked, and its format to upright RGB."""


def read_picture(
    source: Path | bytes,
    settings: CorpusSettings,
    *,
    name: str = "",
    description: str = "",
    ocr: tuple[str, ...] | None = None,
) -> Picture:
    """Return the checked Picture of a file (kept by path) or of encoded bytes (kept in memory).

    `name` names it in errors. Raises PictureError as `check_picture` does.
    """
    if isinstance(source, bytes):
        data, path, kept = source, None, source
    else:
        data, path, kept = _read_capped(source, name or str(source), settings), source, None
    _decoded(data, name or str(path or "bytes"), settings, _verdict)
    return Picture(hashlib.sha256(data).hexdigest(), path, kept, description, ocr)


def check_picture(picture: Picture, settings: CorpusSettings) -> None:
    """Raise PictureError unless `load_picture` can decode the picture.

    Its pixels are decoded too, those of a JPEG at an eighth of their size, which reads all of its data.
    """
    decoded(picture, settings, _verdict)


def load_picture(picture: Picture, settings: CorpusSettings) -> Image.Image:
    """Decode the picture as upright RGB (see `to_rgb`).

    Of an animation it is the first frame that shows something, i.e. more than one colour, among the first
    `FRAMES`, or as many as have `max_picture_pixels` together; the first one if none does.

    Raises PictureError when the bytes are missing, empty, too many, truncated or of no allowed format, or
    when there are too many pixels or a side is too short.
    """
    return decoded(picture, settings, whole)


def decoded(picture: Picture, settings: CorpusSettings, show: Show) -> Image.Image:
    """Return what `show` makes of the picture. Raises what `load_picture` does."""
    return _decoded(_encoded(picture, settings), _name(picture), settings, show)


def whole(image: ImageFile.ImageFile, form: str, settings: CorpusSettings) -> Image.Image:
    """Decode all pixels, as `load_picture` returns them."""
    image.load()
    return _shown(image, form, settings)


def _verdict(image: ImageFile.ImageFile, form: str, settings: CorpusSettings) -> Image.Image:
    if form == "JPEG":
        image.draft(None, (1, 1))
    return whole(image, form, settings)


def upright_size(picture: Picture) -> tuple[int, int]:
    """Return width and height from the header, as `load_picture` returns them. Raises PictureError."""
    stored = picture.data is None and picture.path is not None and picture.path.is_file()
    try:
        with Image.open(
            picture.path if stored and picture.path else io.BytesIO(picture.read()), formats=FORMATS
        ) as image:
            return _upright_size(image)
    except Exception as error:  # its metadata is broken, or it is none of Pillow's formats
        first = error
    data = picture.read()
    form = format_of(data)
    with suppress(ValueError):  # a PNG that is not whole
        for candidate in _candidates(data, form):
            with suppress(Exception), _open(candidate, form) as image:
                return _upright_size(image)
    raise PictureError(f"picture {_name(picture)} cannot be decoded: {reason_of(first)}") from first


def _upright_size(image: Image.Image) -> tuple[int, int]:
    return (image.height, image.width) if is_turned(image) else image.size


def is_turned(image: Image.Image) -> bool:
    """Tell whether the upright picture has the width and the height of the opened one exchanged."""
    try:
        return image.getexif().get(0x0112, 1) in _TURNED
    except Exception:  # broken EXIF, which `to_rgb` does not follow either
        return False


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
    except (OSError, MemoryError) as error:
        raise PictureError(f"picture {name} cannot be read: {reason_of(error)}") from error


def _check_bytes(size: int, name: str, settings: CorpusSettings) -> None:
    if size == 0:
        raise PictureError(f"picture {name} is empty (0 bytes)")
    if size > settings.max_picture_bytes:
        raise TooLargePicture(
            f"picture {name} has {size} bytes, over the cap of {settings.max_picture_bytes}; "
            "shrink it or raise corpus.max_picture_bytes"
        )


def _decoded(data: bytes, name: str, settings: CorpusSettings, show: Show) -> Image.Image:
    _check_bytes(len(data), name, settings)
    form = format_of(data)
    if form not in (*FORMATS, HEIC):
        raise UnsupportedPicture(_unsupported(name, form))
    first: Exception | None = None
    try:
        for candidate in _candidates(data, form):
            try:
                with _open(candidate, form) as image:
                    _check_size(image.size, name, settings)
                    return show(image, form, settings)
            except (PictureError, Image.DecompressionBombError, Image.DecompressionBombWarning):
                raise
            except MissingExtraError as error:
                raise UnsupportedPicture(
                    f"picture {name} is {HEIC}: {reason_of(error)}; or save it as JPEG"
                ) from error
            except Exception as error:  # on crafted bytes decoders raise many other types than OSError
                first = first or error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargePicture(
            f"picture {name} has too many pixels, or a frame of it has; shrink it"
        ) from error
    except ValueError as error:  # a PNG that is not whole
        first = first or error
    if isinstance(first, MemoryError):
        raise PictureError(f"picture {name} cannot be decoded: {reason_of(first)}") from first
    known = first is not None and not isinstance(first, UnidentifiedImageError)
    why = reason_of(first) if first and known else "its header cannot be read"
    raise PictureError(f"picture {name} is a damaged or truncated {form} ({why})") from first


def _candidates(data: bytes, form: str) -> Iterator[bytes]:
    """Yield the picture, then, in case it cannot be decoded, the same without metadata."""
    if form == "PNG":
        check_png(data)
    yield data
    for stripped in without_metadata(data, form):
        if stripped != data:
            yield stripped


def _open(data: bytes, form: str) -> ImageFile.ImageFile:
    if form != HEIC:
        return Image.open(io.BytesIO(data), formats=[form])
    with needs("heic"):
        from pillow_heif import HeifImageFile
    opened: ImageFile.ImageFile = HeifImageFile(io.BytesIO(data))
    return opened


def _unsupported(name: str, form: str) -> str:
    known = ", ".join((*FORMATS, HEIC))
    if not form:
        return f"picture {name} is not a readable picture of a known format ({known})"
    if form == VIDEO:
        return f"picture {name} is a video, not a picture of a known format ({known}): give it as a video"
    return f"picture {name} is {form}, which is no known format ({known}): save it as JPEG or PNG"


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


def _shown(image: ImageFile.ImageFile, form: str, settings: CorpusSettings) -> Image.Image:
    """Return the loaded frame, or the first later one that shows something where it does not."""
    first = to_rgb(image)
    if form not in ANIMATED or not _is_flat(first):
        return first
    pixels = image.width * image.height
    for number in range(1, min(FRAMES, settings.max_picture_pixels // pixels)):
        try:
            image.seek(number)
            if image.width * image.height != pixels:
                break
            image.load()
            frame = to_rgb(image)
        except Exception:  # there are no more, or they are broken: the first one is there
            break
        if not _is_flat(frame):
            return frame
    return first


def _is_flat(image: Image.Image) -> bool:
    return all(high - low <= FLAT for low, high in image.getextrema())  # type: ignore[misc]
