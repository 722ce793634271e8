"""Metadata never decides whether a picture is usable, nor its pixels."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from uninote.corpus.decode import load_picture, read_picture, upright_size
from uninote.items import Picture
from uninote.settings import CorpusSettings

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SETTINGS = CorpusSettings()
Make = Callable[..., bytes]


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    return exif


def same(damaged: bytes, whole: bytes) -> None:
    """Check that both places accept the damaged file, with the pixels and the size of the whole one."""
    picture = read_picture(damaged, SETTINGS)
    expected = load_picture(Picture.from_bytes(whole), SETTINGS)
    found = load_picture(picture, SETTINGS)
    assert np.array_equal(np.asarray(found), np.asarray(expected))
    assert upright_size(picture) == found.size


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def chunk(kind: bytes, body: bytes, sound: bool = True) -> bytes:
    checksum = zlib.crc32(kind + body) ^ (0 if sound else 1)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def after_header(data: bytes, *chunks: bytes) -> bytes:
    return data[:33] + b"".join(chunks) + data[33:]


def test_large_compressed_texts_of_a_png(noise: Callable[..., Image.Image], encode: Make) -> None:
    for kind in ("zTXt", "iTXt"):
        info = PngImagePlugin.PngInfo()
        add: Any = info.add_text if kind == "zTXt" else info.add_itxt
        add("Comment", "x" * 1_500_000, zip=True)
        data = encode(noise(), pnginfo=info, exif=turned())
        with pytest.raises(ValueError, match="MAX_TEXT_CHUNK"):
            Image.open(io.BytesIO(data)).load()
        same(data, encode(noise(), exif=turned()))


@pytest.mark.parametrize(
    "damage",
    [
        chunk(b"gAMA", b""),
        chunk(b"iCCP", b"name\0\x09junk"),
        chunk(b"iCCP", b"name\0\0" + zlib.compress(bytes(2_000_000))),
        chunk(b"tEXt", b"Comment\0words", sound=False),
        chunk(b"pHYs", b"\1"),
        chunk(b"tRNS", b"\1"),
        chunk(b"zTXt", b"Comment\0\x07words"),
        chunk(b"acTL", b"\0\0\0\2"),
        chunk(b"acTL", struct.pack(">II", 2, 0)) + chunk(b"fcTL", bytes(5)),
    ],
)
def test_other_chunks_of_a_png(png: Make, damage: bytes) -> None:
    same(after_header(png(), damage), png())
    same(png()[:-12] + damage + png()[-12:], png())


def test_what_holds_pixels_in_a_png_still_counts(png: Make) -> None:
    for data in (
        png()[:-12],
        png()[:-60] + png()[-12:],
        after_header(png(), chunk(b"IDAT", b"x", sound=False)),
    ):
        with pytest.raises(Exception, match="a damaged or truncated PNG"):
            read_picture(data, SETTINGS)


@pytest.mark.parametrize(
    "damage",
    [
        segment(0xE0, b"JFIF"),
        segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + b"\xff<" * 9999),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\1\xb0\4\0\1\0\0\0\5\0\0\0\0\0\0\0"),
        segment(0xE2, b"MPF\0junk"),
        segment(0xED, b"Photoshop 3.0\x008BIM\xff"),
        segment(0xEE, b"Adobe"),
        segment(0xFE, b"\xff" * 65_000),
    ],
)
def test_segments_of_a_jpeg(png: Make, damage: bytes) -> None:
    whole = png(form="JPEG", exif=turned())
    first = 2 if damage[1] != 0xE1 else whole.index(b"\xff\xdb")  # its own EXIF comes first
    same(whole[:first] + damage + whole[first:], whole)


def test_broken_exif_of_a_webp_and_an_avif(png: Make) -> None:
    for form in ("WEBP", "AVIF"):
        whole, exif = png(form=form, exif=turned()), turned().tobytes()
        place = whole.rindex(b"maker") - 40 if form == "AVIF" else whole.index(exif[6:14])
        data = bytearray(whole)
        start = data.index(b"MM\0*", place) if data.find(b"MM\0*", place) > 0 else data.index(b"II*\0", place)
        data[start : start + 8] = b"\xff" * 8
        assert read_picture(bytes(data), SETTINGS)
        assert load_picture(Picture.from_bytes(bytes(data)), SETTINGS).mode == "RGB"


def test_odd_tags_of_a_tiff_and_comments_of_a_gif(png: Make) -> None:
    same(png(form="TIFF", tiffinfo={270: "x" * 100_000, 34675: b"junk", 65000: b"1"}), png(form="TIFF"))
    same(png(form="GIF", comment=b"\xff" * 100_000), png(form="GIF"))


@pytest.mark.parametrize("orientation", [0, 5, 8, 9, 99])
def test_orientations_that_do_not_exist_turn_nothing(
    orientation: int, noise: Callable[..., Image.Image], encode: Make
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Picture.from_bytes(encode(noise().resize((40, 20)), "JPEG", exif=exif))
    size = (20, 40) if orientation in (5, 8) else (40, 20)
    assert upright_size(picture) == load_picture(picture, SETTINGS).size == size
