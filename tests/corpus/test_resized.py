"""Decoding to a smaller size: the stated bound for reduced JPEGs, equal pixels and errors otherwise."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont, JpegImagePlugin

from uninote.corpus.decode import load_picture
from uninote.corpus.resized import load_resized
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

Make = Callable[..., bytes]
BICUBIC = Image.Resampling.BICUBIC


def photo(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Make a picture with detail at every scale, whose spectrum falls as that of photographs (1 / f)."""
    rng = np.random.default_rng(seed)
    total = np.full((size[1], size[0], 3), 127.0, np.float32)
    for octave in range(1, 9):
        cells = 2**octave
        small = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        grown = np.asarray(small.resize(size, BICUBIC), np.float32)
        total += (grown - 127) * (1.2 / octave)
    return Image.fromarray(np.clip(total, 0, 255).astype(np.uint8))


def screenshot(size: tuple[int, int]) -> Image.Image:
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for line, top in enumerate(range(10, size[1] - 40, 48)):
        font = ImageFont.load_default((20, 28, 36)[line % 3])
        colour = ("black", "#333", "#c00", "#06c")[line % 4]
        draw.text((20, top), "harbour lantern violet market thunder paper", fill=colour, font=font)
    return image


def jpeg(image: Image.Image, turn: int = 1, **options: int) -> Picture:
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = turn
    image.save(data, "JPEG", exif=exif, **{"quality": 90, **options})
    return Picture.from_bytes(data.getvalue())


def difference(
    picture: Picture, size: tuple[int, int], settings: CorpusSettings
) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    full = load_picture(picture, settings).resize(size, BICUBIC)
    found = load_resized(picture, settings, size, BICUBIC)
    assert (found.mode, found.size) == ("RGB", size)
    return np.abs(np.asarray(found, np.int16) - np.asarray(full, np.int16))


@pytest.fixture
def scales(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Scales at which JPEGs were decoded, in the order of the calls."""
    found: list[int] = []
    draft = JpegImagePlugin.JpegImageFile.draft

    def watched(self: JpegImagePlugin.JpegImageFile, *args: object) -> object:
        before = self.size
        drafted = draft(self, *args)  # type: ignore[arg-type]
        found.append(round(before[0] / self.size[0]))
        return drafted

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "draft", watched)
    return found


@pytest.mark.parametrize(
    ("whole", "size", "scale"),
    [
        ((1600, 2000), (384, 480), 2),
        ((1200, 1600), (150, 200), 4),
        ((1203, 1597), (150, 199), 4),  # the last row and column stand for part of a pixel
        ((2403, 3197), (150, 199), 8),
    ],
)
def test_a_reduced_photo_stays_within_the_bound(
    settings: CorpusSettings, scales: list[int], whole: tuple[int, int], size: tuple[int, int], scale: int
) -> None:
    found = difference(jpeg(photo(whole)), size, settings)
    assert scales == [scale]
    assert 0 < found.mean() <= 1
    assert np.percentile(found, 99) <= 4


def test_a_reduced_screenshot_stays_within_the_bound(settings: CorpusSettings, scales: list[int]) -> None:
    """Allow about as much as the compression itself has changed the picture."""
    for size in ((150, 300), (80, 160)):
        found = difference(jpeg(screenshot((700, 1400))), size, settings)
        assert 0 < found.mean() <= 2
        assert np.percentile(found, 99) <= 16
    assert scales == [2, 4]


@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_pictures_are_upright(settings: CorpusSettings, scales: list[int], turn: int) -> None:
    upright = (70, 130) if turn < 5 else (130, 70)
    found = difference(jpeg(photo((603, 1101)), turn), upright, settings)
    assert scales == [4]
    assert 0 < found.mean() <= 1


def test_other_pictures_have_the_pixels_of_full_decoding(
    settings: CorpusSettings, png: Make, scales: list[int]
) -> None:
    large = photo((400, 300))
    data = io.BytesIO()
    large.save(data, "PNG")
    assert not difference(Picture.from_bytes(data.getvalue()), (40, 30), settings).any()
    assert not difference(jpeg(large), (201, 151), settings).any()  # less than twice the size
    assert not difference(jpeg(large), (900, 700), settings).any()
    squeezed = load_resized(jpeg(photo((4000, 10))), settings, (20, 2), BICUBIC)  # of 2000 x 10
    assert squeezed.size == (20, 2)
    assert set(scales) == {1}


def test_grey_and_cmyk(settings: CorpusSettings, scales: list[int]) -> None:
    for mode in ("L", "CMYK"):
        assert difference(jpeg(photo((600, 800)).convert(mode)), (75, 100), settings).mean() <= 1
    assert scales == [4, 4]


def test_damaged_pictures_fail_as_they_do_in_full(settings: CorpusSettings) -> None:
    data = jpeg(photo((600, 800))).read()
    for damaged in (data[: len(data) // 2], data[:-200], b"", data[:20], b"x" + data):
        picture = Picture.from_bytes(damaged)
        with pytest.raises(PictureError) as full:
            load_picture(picture, settings)
        with pytest.raises(PictureError) as reduced:
            load_resized(picture, settings, (75, 100), BICUBIC)
        assert str(reduced.value) == str(full.value)
    with pytest.raises(PictureError, match="too many pixels: 600 x 800"):
        load_resized(Picture.from_bytes(data), CorpusSettings(max_picture_pixels=1000), (75, 100), BICUBIC)
