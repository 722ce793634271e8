"""Formats are recognised by their first bytes, also those that are not decoded."""

from __future__ import annotations

import pytest

from uninote.corpus.decode import load_picture, read_picture
from uninote.corpus.formats import HEIC, VIDEO, format_of
from uninote.errors import UnsupportedPicture
from uninote.items import Picture
from uninote.settings import CorpusSettings


def media(major: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + major + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + b"rest"


@pytest.mark.parametrize(
    ("data", "form"),
    [
        (media(b"heic", b"mif1"), HEIC),
        (media(b"mif1", b"mif1", b"heic"), HEIC),
        (media(b"mif1", b"miaf", b"avif"), "AVIF"),
        (media(b"avis"), "AVIF"),
        (media(b"isom", b"mp42"), VIDEO),
        (media(b"qt  "), VIDEO),
        (b"\x1aE\xdf\xa3", VIDEO),
        (b"RIFF1234AVI LIST", VIDEO),
        (b"\0\0\0\x08wide\0\0\0\0mdat", VIDEO),
        (b"\0\0\x01\xb3\x14\0", VIDEO),
        ((b"G" + bytes(187)) * 3, VIDEO),
        (b"RIFF1234WEBPVP8 ", "WEBP"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"", ""),
        (b"plain words", ""),
        (media(b"crx "), "a Canon raw file (CR3)"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a Canon raw file (CR2)"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"P6\n2 2", "PNM"),
    ],
)
def test_the_first_bytes_tell_the_format(data: bytes, form: str) -> None:
    assert format_of(data) == form


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"%PDF-1.7", "is PDF.*save it as JPEG or PNG"),
        (b"8BPS\0\1", "is PSD"),
        (b"\xff\x0a\0\0", "is JPEG XL"),
        (b" <?xml version='1.0'?>\n<svg/>", "is SVG"),
        (b"<!DOCTYPE html><html>", r"is a web page \(HTML\)"),
        (media(b"isom"), "is a video.*give it as a video"),
        (b"\0\1\2", r"is not a readable picture of a known format \(JPEG, .*AVIF, HEIC\)"),
    ],
)
def test_the_error_names_the_format_and_the_way_out(data: bytes, said: str) -> None:
    with pytest.raises(UnsupportedPicture, match=said):
        read_picture(data, CorpusSettings())
    with pytest.raises(UnsupportedPicture, match=said):
        load_picture(Picture.from_bytes(data), CorpusSettings())


def test_heic_without_its_extra_names_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(UnsupportedPicture, match=r"is HEIC: .*uninote\[heic\].*or save it as JPEG"):
        read_picture(media(b"heic"), CorpusSettings())
