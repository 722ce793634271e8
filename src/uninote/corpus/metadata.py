"""Removal of metadata from encoded pictures: texts, colour profiles, EXIF and the like, but no pixels.

Pillow refuses a picture for some faults of its metadata. Without them the same pixels are decoded.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator

_PNG_START = 8
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT"})
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_JFIF, _EXIF, _ADOBE, _COMMENT, _SCAN = 0xE0, 0xE1, 0xEE, 0xFE, 0xDA
_JFIF_BYTES, _ADOBE_BYTES = 14, 12
_WEBP_PIXELS = frozenset({b"VP8X", b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"})
_WEBP_METADATA = 0x20 | 0x08 | 0x04  # flags of VP8X: colour profile, EXIF, XMP
_AVIF_EXIF = re.compile(rb"(infe\x02.{7}|infe\x03.{9})Exif", re.DOTALL)


def without_metadata(data: bytes, form: str) -> Iterator[bytes]:
    """Yield the picture without metadata but its EXIF, which turns it upright, then without any.

    form: its name in `formats.FORMATS`. Nothing is yielded for BMP, GIF, TIFF, HEIC.
    """
    strip = _STRIPPED.get(form)
    if strip is not None:
        yield from (strip(data, True), strip(data, False))


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of each chunk up to IEND. Raises ValueError when the file ends before."""
    place, kind = _PNG_START, b""
    while kind != b"IEND":
        size = int.from_bytes(data[place : place + 4], "big")
        kind, end = data[place + 4 : place + 8], place + 12 + size
        if end > len(data):
            raise ValueError("it is truncated")
        yield kind, place, end
        place = end


def check_png(data: bytes) -> None:
    """Raise ValueError when the file is truncated, or a chunk that holds pixels has a wrong checksum."""
    for kind, start, end in png_chunks(data):
        if not _is_ancillary(kind) and not _sound(data, start, end):
            raise ValueError("a checksum is wrong")


def _is_ancillary(kind: bytes) -> bool:
    return bool(kind[0] & 0x20)


def _sound(data: bytes, start: int, end: int) -> bool:
    return zlib.crc32(data[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")


def _png(data: bytes, exif: bool) -> bytes:
    chunks = [(kind, data[start:end], _sound(data, start, end)) for kind, start, end in png_chunks(data)]
    kept = _PNG_PIXELS | {b"eXIf"}
    if not exif or not all(sound for kind, _, sound in chunks if kind in _ANIMATION):
        kept -= _ANIMATION  # an animation of which a part is lost is its first picture
    if not exif:
        kept -= {b"eXIf", b"tRNS"}
    return data[:_PNG_START] + b"".join(
        chunk for kind, chunk, sound in chunks if kind in kept and (sound or not _is_ancillary(kind))
    )


def _jpeg(data: bytes, exif: bool) -> bytes:
    kept, place = [data[:2]], 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != _SCAN:
        marker = data[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : end]
        is_metadata = 0xE0 <= marker <= 0xEF or marker == _COMMENT
        if (
            not is_metadata
            or (marker == _JFIF and len(body) >= _JFIF_BYTES)
            or (marker == _ADOBE and len(body) >= _ADOBE_BYTES)
            or (exif and marker == _EXIF and body.startswith(b"Exif\0\0"))
        ):
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


def _webp(data: bytes, exif: bool) -> bytes:
    chunks, place = [], 12
    while place + 8 <= len(data):
        kind, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + size + size % 2
        if kind == b"VP8X" and place + 8 < len(data):
            flags = data[place + 8] & ~(_WEBP_METADATA ^ (0x08 if exif else 0))
            chunks.append(data[place : place + 8] + bytes([flags]) + data[place + 9 : end])
        elif kind in _WEBP_PIXELS or (exif and kind == b"EXIF" and end <= len(data)):
            chunks.append(data[place:end])
        place = end
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def _avif(data: bytes, exif: bool) -> bytes:
    return data if exif else _AVIF_EXIF.sub(rb"\1skip", data)


_STRIPPED: dict[str, Callable[[bytes, bool], bytes]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "WEBP": _webp,
    "AVIF": _avif,
}
