"""Decoder of uploads: bytes to pictures, under the limits of the corpus settings."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from uninote.corpus.base64 import decode_base64
from uninote.corpus.decode import read_picture
from uninote.corpus.video import frames
from uninote.errors import PictureError, TooLargePicture, UnsupportedPicture
from uninote.items import Picture
from uninote.service.errors import InvalidError, ServiceError, TooLargeError, UnsupportedError
from uninote.settings import CorpusSettings

_REFUSALS: dict[type[PictureError], type[ServiceError]] = {
    TooLargePicture: TooLargeError,
    UnsupportedPicture: UnsupportedError,
}


def from_base64(text: str, max_bytes: int) -> bytes:
    """Decode base64 in any of its spellings. Raises TooLargeError, or InvalidError for malformed text."""
    try:
        data = decode_base64(text)
    except ValueError as error:
        raise InvalidError(str(error)) from None
    if len(data) > max_bytes:
        raise TooLargeError(f"has {len(data)} bytes, over the cap of {max_bytes}; send a smaller file")
    return data


def picture_of(
    data: bytes,
    settings: CorpusSettings,
    *,
    name: str = "data",
    description: str = "",
    ocr: tuple[str, ...] | None = None,
) -> Picture:
    """Return the checked picture. Raises TooLargeError, UnsupportedError or InvalidError with its name."""
    try:
        return read_picture(data, settings, name=name, description=description, ocr=ocr)
    except PictureError as error:
        raise _REFUSALS.get(type(error), InvalidError)(str(error)) from None


def frames_of(
    data: bytes, settings: CorpusSettings, max_frames: int, max_bytes: int, *, name: str = "data"
) -> list[Picture]:
    """Return at most `max_frames` frames, evenly spaced over the video. Raises as `picture_of`."""
    if len(data) > max_bytes:
        raise TooLargeError(f"the video {name} has {len(data)} bytes, over the cap of {max_bytes}")
    with tempfile.TemporaryDirectory(prefix="uninote-") as folder:
        # The demuxer needs to seek, and is limited to files: it opens no URL in the video.
        file = Path(folder) / "video"
        file.write_bytes(data)
        try:
            return [replace(frame, path=None) for frame in frames(file, max_frames, settings)]
        except PictureError as error:
            message = str(error).replace(str(file), name)
            raise _REFUSALS.get(type(error), InvalidError)(message) from None
