"""Bombs, floods and foreign formats are refused by their headers, each as the error its status comes from."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from uninote.service.errors import InvalidError, ServiceError, TooLargeError, UnsupportedError
from uninote.service.media.decode import frames_of, from_base64, picture_of
from uninote.settings import CorpusSettings

CAPS = CorpusSettings(max_picture_bytes=50_000, max_picture_pixels=1_000_000, max_frames=4)


def png(width: int = 32, height: int = 32) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(out, "PNG")
    return out.getvalue()


def bomb(side: int) -> bytes:
    """Return a PNG of a few hundred bytes whose header announces side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def saved(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(out, form)
    return out.getvalue()


def video(path: Path, count: int, side: int = 64) -> bytes:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = side
        for number in range(count):
            shade = np.full((side, side, 3), number * 7 % 255, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path.read_bytes()


def test_a_good_picture_keeps_its_bytes_and_annotations() -> None:
    picture = picture_of(png(), CAPS, description="a square", ocr=("red",))
    assert picture.data == png()
    assert (picture.description, picture.ocr, picture.path) == ("a square", ("red",), None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (bomb(30_000), TooLargeError),
        (png() + bytes(60_000), TooLargeError),
        (png(1, 1), InvalidError),
        (png(2000, 2), InvalidError),
        (png()[:-20], InvalidError),
        (b"", InvalidError),
        (b"#!/bin/sh", UnsupportedError),
        (saved("EPS"), UnsupportedError),
        (saved("PPM"), UnsupportedError),
        (saved("ICO"), UnsupportedError),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", UnsupportedError),
    ],
)
def test_pictures_that_are_refused(data: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error):
        picture_of(data, CAPS)


def test_base64_has_a_cap_of_its_bytes_in_every_spelling() -> None:
    for text in ("YWJj", "YW Jj\n", "data:;base64,YWJj"):
        assert from_base64(text, 3) == b"abc"
        with pytest.raises(TooLargeError, match="has 3 bytes, over the cap of 2"):
            from_base64(text, 2)
    with pytest.raises(InvalidError, match="is not whole base64"):
        from_base64("abcde", 100)


def test_a_video_becomes_a_few_frames(tmp_path: Path) -> None:
    data = video(tmp_path / "a.mp4", 50)
    found = frames_of(data, CAPS, 9, 1_000_000)
    assert len(found) == 4
    assert all(frame.frame and frame.data for frame in found)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.ts\n", UnsupportedError),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", UnsupportedError),
        (png(), UnsupportedError),
        (bytes(2000), TooLargeError),
    ],
)
def test_videos_that_are_refused(data: bytes, error: type[ServiceError]) -> None:
    with pytest.raises(error) as refused:
        frames_of(data, CAPS, 4, 1000)
    assert "/tmp" not in str(refused.value)


def test_a_video_of_too_large_frames_is_refused(tmp_path: Path) -> None:
    data = video(tmp_path / "a.mp4", 2, side=256)
    with pytest.raises(TooLargeError):
        frames_of(data, CorpusSettings(max_picture_pixels=10_000), 4, 1_000_000)
