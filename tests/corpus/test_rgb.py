import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from uninote.corpus.rgb import squeezed, squeezed_size, to_rgb

Encode = Callable[..., bytes]


def reopened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_greys_are_scaled_not_clipped(encode: Encode, form: str) -> None:
    grey = np.array([[0, 257, 32896, 65535]] * 8, np.uint16)
    image = to_rgb(reopened(encode(Image.fromarray(grey), form)))
    assert image.mode == "RGB"
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 128, 255]


def test_deep_integers_and_floats_are_stretched() -> None:
    integers = Image.fromarray(np.array([[-100, 0, 100]], np.int32))
    assert np.asarray(to_rgb(integers))[0, :, 0].tolist() == [0, 128, 255]
    wide = Image.fromarray(np.array([[0, 1_000_000]], np.int32))
    assert np.asarray(to_rgb(wide))[0, :, 0].tolist() == [0, 255]
    floats = Image.fromarray(np.array([[0.0, 0.5, 1.0, np.nan]], np.float32))
    assert np.asarray(to_rgb(floats))[0, :, 0].tolist() == [0, 128, 255, 0]
    flat = Image.fromarray(np.full((1, 2), 0.3, np.float32))
    assert np.asarray(to_rgb(flat)).max() == 0


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_white(mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (4, 0, 8, 8))
    rgb = to_rgb(image.convert(mode))
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((6, 0)) == (0, 0, 0)


def test_half_transparent_is_mixed_with_white() -> None:
    assert to_rgb(Image.new("RGBA", (8, 8), (255, 0, 0, 128))).getpixel((0, 0)) == (255, 127, 127)


def test_transparent_palette_and_colour_key_are_composited_on_white(encode: Encode) -> None:
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0, 200, 10, 10])
    palette.putpixel((1, 0), 1)
    rgb = to_rgb(reopened(encode(palette, "PNG", transparency=0)))
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((1, 0)) == (200, 10, 10)
    keyed = Image.new("RGB", (8, 8), (1, 2, 3))
    assert to_rgb(reopened(encode(keyed, "PNG", transparency=(1, 2, 3)))).getpixel((0, 0)) == (255, 255, 255)


def test_cmyk_bilevel_and_grey(encode: Encode) -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    red, green, blue = np.asarray(to_rgb(reopened(encode(cmyk, "JPEG")))).mean((0, 1))
    assert red > 240
    assert max(green, blue) < 15
    assert to_rgb(Image.new("1", (8, 8), 1)).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(Image.new("L", (8, 8), 7)).getpixel((0, 0)) == (7, 7, 7)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_applied_once(encode: Encode, form: str) -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 20, 20))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90 degrees clockwise to show
    options = {"lossless": True} if form == "WEBP" else {}
    rgb = to_rgb(reopened(encode(image, form, exif=exif, **options)))
    assert rgb.size == (20, 40)
    assert rgb.getpixel((10, 5)) == (255, 255, 255)  # the left half is on top now
    assert rgb.getpixel((10, 35)) == (0, 0, 0)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!!!!", b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03"])
def test_a_picture_with_broken_exif_loads(
    noise: Callable[..., Image.Image], encode: Encode, exif: bytes
) -> None:
    assert to_rgb(reopened(encode(noise(), "JPEG", exif=exif))).size == (40, 24)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((8, 1600), (8, 1600)),
        ((8, 1608), (8, 1600)),
        ((1, 5000), (1, 200)),
        ((90_000, 10), (2000, 10)),
        ((40, 24), (40, 24)),
    ],
)
def test_a_very_long_picture_is_squeezed(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "teal")
    squeezed_image = squeezed(image)
    assert squeezed_image.size == squeezed_size(size) == expected
    assert squeezed_image.getpixel((0, 0)) == (0, 128, 128)
    assert (squeezed_image is image) == (size == expected)
