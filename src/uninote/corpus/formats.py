"""Format names of files, from their first bytes: those that are decoded, and those often sent instead."""

from __future__ import annotations

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Formats that Pillow decodes here; it tries no other decoder."""
HEIC = "HEIC"
"""Format that the extra `heic` decodes."""
VIDEO = "video"
CONTAINERS = "MP4, MOV, Matroska, WebM, AVI, MPEG, FLV"
"""Containers of videos that are decoded."""
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
    | {".heic", ".heif"}
)
"""File endings of pictures that are decoded."""
OTHER_SUFFIXES = frozenset(
    {".svg", ".psd", ".jxl", ".jp2", ".ico", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf"}
)
"""File endings of pictures that are not decoded."""

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_AVIF = (b"avif", b"avis")
_STARTS = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"BM", "BMP"),
    (8, b"CR\x02", "a Canon raw file (CR2)"),  # otherwise a TIFF
    (0, b"II*\x00", "TIFF"),
    (0, b"MM\x00*", "TIFF"),
    (0, b"II+\x00", "TIFF"),
    (0, b"MM\x00+", "TIFF"),
    (8, b"WEBP", "WEBP"),
    (0, b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "EPS"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"8BPS", "PSD"),
    (0, b"gimp xcf", "XCF"),
    (0, b"FUJIFILMCCD-RAW", "a Fujifilm raw file (RAF)"),
    (0, b"IIU\x00", "a Panasonic raw file (RW2)"),
    (0, b"IIRO", "an Olympus raw file (ORF)"),
    (0, b"\x00\x00\x01\x00", "ICO"),
    (0, b"icns", "ICNS"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (8, b"AVI ", VIDEO),
    (0, b"\x1aE\xdf\xa3", VIDEO),
    (0, b"FLV\x01", VIDEO),
    (0, b"\x00\x00\x01\xba", VIDEO),
    (0, b"\x00\x00\x01\xb3", VIDEO),
    (4, b"moov", VIDEO),
    (4, b"mdat", VIDEO),
    (4, b"wide", VIDEO),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
)


def format_of(data: bytes) -> str:
    """Return the name of the format that the first bytes announce; empty for an unknown one.

    It is one of `FORMATS`, `HEIC`, `VIDEO`, or the name of a format that is not decoded.
    """
    if data[4:8] == b"ftyp":
        return _container(data)
    for place, start, name in _STARTS:
        if data.startswith(start, place):
            return name
    if data[:1] == data[188:189] == data[376:377] == b"G":
        return VIDEO  # packets of an MPEG transport stream
    if data[:1] == b"P" and data[1:2].isdigit() and data[2:3].isspace():
        return "PNM"
    text = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text:
        return "SVG"
    return "a web page (HTML)" if text.startswith((b"<!doctype html", b"<html")) else ""


def _container(data: bytes) -> str:
    """Return the format of an ISO media file, by its brands: the major one, then the compatible ones."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[place : place + 4] for place in range(16, size, 4))]
    if brands[0] == b"crx ":
        return "a Canon raw file (CR3)"
    for brand in brands:
        if brand in _AVIF:
            return "AVIF"
        if brand in _HEIC:
            return HEIC
    return HEIC if brands[0] in (b"mif1", b"msf1") else VIDEO
