import hashlib
import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from pydantic import ValidationError

from uninote.corpus.decode import check_picture, load_picture, read_picture, upright_size
from uninote.corpus.formats import FORMATS
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

Make = Callable[..., bytes]


def refused(data: bytes, settings: CorpusSettings, match: str) -> None:
    """Check that both the header check and the load refuse the bytes."""
    picture = Picture.from_bytes(data)
    with pytest.raises(PictureError, match=match):
        check_picture(picture, settings)
    with pytest.raises(PictureError, match=match):
        load_picture(picture, settings)


def huge_png(width: int, height: int) -> bytes:
    """Make a PNG of a few bytes whose header claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", FORMATS)
def test_every_allowed_format_loads(
    noise: Callable[..., Image.Image], encode: Make, settings: CorpusSettings, form: str
) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    picture = Picture.from_bytes(encode(noise(), form, **options))
    check_picture(picture, settings)
    image = load_picture(picture, settings)
    assert (image.mode, image.size) == ("RGB", (40, 24))
    if form in ("PNG", "WEBP", "BMP", "TIFF"):
        assert np.array_equal(np.asarray(image), np.asarray(noise()))


@pytest.mark.parametrize("form", FORMATS)
def test_truncated_pictures_never_load(png: Make, settings: CorpusSettings, form: str) -> None:
    data = png(form=form)
    for length in (len(data) // 2, len(data) * 9 // 10):
        picture = Picture.from_bytes(data[:length])
        with pytest.raises(PictureError):
            load_picture(picture, settings)
        with pytest.raises(PictureError):
            check_picture(picture, settings)


def test_a_whole_thumbnail_does_not_hide_truncation(
    noise: Callable[..., Image.Image], encode: Make, png: Make, settings: CorpusSettings
) -> None:
    thumbnail = encode(noise(1, (16, 16)), "JPEG")
    data = encode(noise(), "JPEG", exif=b"Exif\0\0" + thumbnail)
    assert b"\xff\xd9" in data[:-2]
    check_picture(Picture.from_bytes(data), settings)
    refused(data[:-40], settings, "truncated")


def test_byte_cap_holds_before_a_file_is_read(
    tmp_path: Path, png: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    picture = Picture.from_path(path)

    def unread(self: Path) -> bytes:
        raise AssertionError("the file was read")

    monkeypatch.setattr(Path, "read_bytes", unread)
    capped = CorpusSettings(max_picture_bytes=100)
    for act in (lambda: read_picture(path, capped), lambda: load_picture(picture, capped)):
        with pytest.raises(PictureError, match=r"a\.png has \d+ bytes, over the cap of 100"):
            act()


def test_byte_cap_of_bytes_in_memory(png: Make) -> None:
    refused(png(), CorpusSettings(max_picture_bytes=100), "over the cap of 100")


def test_pixel_cap_holds_before_decoding(
    png: Make, settings: CorpusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(self: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decoded)
    refused(png(), CorpusSettings(max_picture_pixels=100), "too many pixels: 40 x 24")
    refused(huge_png(8000, 8000), settings, "too many pixels: 8000 x 8000")


def test_the_pixel_cap_is_no_higher_than_that_of_pillow() -> None:
    assert 2 * Image.MAX_IMAGE_PIXELS == 178_956_970
    with pytest.raises(ValidationError, match="less than or equal to 178956970"):
        CorpusSettings(max_picture_pixels=178_956_971)
    refused(huge_png(60_000, 60_000), CorpusSettings(max_picture_pixels=178_956_970), "too many pixels")


def test_short_sides_empty_and_unknown_bytes(
    noise: Callable[..., Image.Image], encode: Make, settings: CorpusSettings
) -> None:
    refused(encode(noise(0, (40, 7))), settings, "too small: 40 x 7")
    refused(b"", settings, "empty")
    refused(b"not a picture at all", settings, "known format")
    refused(huge_png(0, 10), settings, "picture sha256")
    check_picture(Picture.from_bytes(encode(noise(0, (40, 8)))), settings)


@pytest.mark.parametrize("form", ["PPM", "ICO", "TGA"])
def test_formats_off_the_list_are_refused(png: Make, settings: CorpusSettings, form: str) -> None:
    refused(png(form=form), settings, "known format")


def test_a_wrong_checksum_of_the_pixels_of_a_png_is_found(png: Make, settings: CorpusSettings) -> None:
    data = bytearray(png())
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(PictureError):
        check_picture(Picture.from_bytes(bytes(data)), settings)


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animations_load_as_their_first_frame(encode: Make, settings: CorpusSettings, form: str) -> None:
    first, second = Image.new("RGB", (16, 16), (255, 0, 0)), Image.new("RGB", (16, 16), (0, 0, 255))
    options = {"lossless": True} if form == "WEBP" else {}
    data = encode(first, form, save_all=True, append_images=[second], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert load_picture(Picture.from_bytes(data), settings).getpixel((8, 8)) == (255, 0, 0)


def test_read_picture_hashes_and_keeps_annotations(
    tmp_path: Path, png: Make, settings: CorpusSettings
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())
    by_path = read_picture(path, settings, description="d", ocr=("x",))
    assert by_path.digest == hashlib.sha256(png()).hexdigest()
    assert (by_path.path, by_path.data) == (path, None)
    by_bytes = read_picture(png(), settings, description="d", ocr=("x",))
    assert by_bytes == by_path
    assert by_bytes.data == png()


def test_missing_files_folders_and_pipes(tmp_path: Path, settings: CorpusSettings) -> None:
    with pytest.raises(PictureError, match=r"gone\.png cannot be read"):
        read_picture(tmp_path / "gone.png", settings)
    with pytest.raises(PictureError, match=r"gone\.png cannot be read"):
        load_picture(Picture("0" * 64, tmp_path / "gone.png"), settings)
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(tmp_path, settings)
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="not a regular file"):
        read_picture(tmp_path / "pipe.png", settings)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_random_damage_yields_a_picture_or_a_picture_error(png: Make, settings: CorpusSettings) -> None:
    rng = np.random.default_rng(0)
    outcomes = set()
    for form in FORMATS:
        for _ in range(20):
            data = bytearray(png(form=form))
            for place in rng.integers(0, len(data), 8):
                data[place] = rng.integers(256)
            try:
                outcomes.add(load_picture(Picture.from_bytes(bytes(data)), settings).mode)
            except PictureError:
                outcomes.add("refused")
    assert outcomes == {"RGB", "refused"}


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("blank", ["white", "clear"])
def test_an_animation_is_its_first_frame_that_shows_something(
    encode: Make, settings: CorpusSettings, form: str, blank: str
) -> None:
    first = Image.new("RGBA", (32, 24), (255, 255, 255, 0 if blank == "clear" else 255))
    second, shown = Image.new("RGBA", (32, 24), (251, 251, 251, 255)), first.copy()
    shown.paste((200, 0, 0, 255), (4, 4, 20, 20))
    later = Image.new("RGBA", (32, 24), (0, 0, 255, 255))
    lossless = {"lossless": True} if form == "WEBP" else {}
    data = encode(first, form, save_all=True, append_images=[second, shown, later], **lossless)
    picture = read_picture(data, settings)
    red, green, blue = load_picture(picture, settings).getpixel((12, 12))
    assert (red > 180, green < 30, blue < 30) == (True, True, True)
    few = CorpusSettings(max_picture_pixels=2 * 32 * 24)  # room for two frames, which are both blank
    assert load_picture(read_picture(data, few), few).getextrema()[0][0] > 248


def test_a_blank_animation_and_a_broken_later_frame_keep_the_first(
    encode: Make, settings: CorpusSettings
) -> None:
    white, black = Image.new("RGB", (32, 24), "white"), Image.new("RGB", (32, 24), "black")
    blank = encode(white, "GIF", save_all=True, append_images=[black])
    assert load_picture(read_picture(blank, settings), settings).getpixel((0, 0)) == (255, 255, 255)
    shades = Image.linear_gradient("L").resize((32, 24)).convert("RGB")
    whole = encode(white, "PNG", save_all=True, append_images=[shades])
    place = whole.index(b"fdAT")
    length = int.from_bytes(whole[place - 4 : place], "big")
    body = b"fdAT" + whole[place + 4 : place + 8] + bytes(length - 4)
    data = whole[:place] + body + struct.pack(">I", zlib.crc32(body)) + whole[place + 8 + length :]
    assert load_picture(read_picture(data, settings), settings).getpixel((0, 0)) == (255, 255, 255)


def test_a_second_picture_inside_does_not_hide_truncation(png: Make, settings: CorpusSettings) -> None:
    data = png(form="MPO", save_all=True, append_images=[Image.new("RGB", (40, 24), "red")])
    first = len(png(form="JPEG"))
    assert load_picture(read_picture(data, settings), settings).size == (40, 24)
    refused(data[: first * 4 // 10], settings, "a damaged or truncated JPEG")


def test_heic_is_decoded_upright(noise: Callable[..., Image.Image], settings: CorpusSettings) -> None:
    heif = pytest.importorskip("pillow_heif")
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    heif.from_pillow(noise()).save(out, exif=exif.tobytes())
    picture = read_picture(out.getvalue(), settings)
    assert load_picture(picture, settings).size == upright_size(picture)
    refused(out.getvalue()[:-300], settings, "a damaged or truncated HEIC")


def test_no_reason_is_empty(png: Make, settings: CorpusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, said in (
        (MemoryError(), "not enough memory"),
        (OSError(), r"\(OSError\)"),
        (KeyError("x"), "'x' is missing"),
    ):

        def fails(self: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(ImageFile.ImageFile, "load", fails)
        refused(png(), settings, said)
