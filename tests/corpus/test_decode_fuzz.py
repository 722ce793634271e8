"""Fuzzer of picture decoding: seeded truncations and edits of small pictures of every accepted format.

Reading and decoding give the same verdict, a refusal says why, and no note is lost for a picture.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from uninote.corpus.decode import check_picture, load_picture, read_picture
from uninote.corpus.formats import FORMATS, HEIC
from uninote.corpus.readers import notes_from_records
from uninote.corpus.skips import SkipReport
from uninote.errors import PictureError
from uninote.items import Picture
from uninote.settings import CorpusSettings

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

FILES = 2000
SETTINGS = CorpusSettings()
MARKS = re.compile(r"0x[0-9a-f]+|\[Errno|: *$|None|\n")
"""What a message must not hold: addresses, numbers of system errors, an empty reason, several lines."""


def noise(seed: int = 0, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 40, 4), dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def several() -> dict[str, Any]:
    return {"save_all": True, "append_images": [noise(1), noise(2)]}


def seeds() -> dict[str, list[bytes]]:
    """Return whole pictures by format: still and animated, of every mode that the format has."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "words " * 50, zip=True)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    deep = Image.fromarray(np.arange(960, dtype=np.uint16).reshape(24, 40) * 68)
    palette = noise().quantize(16)
    found = {
        "JPEG": [
            saved(noise(), "JPEG", exif=exif),
            saved(noise(), "JPEG", progressive=True, comment="x" * 40),
            saved(noise(mode="L"), "JPEG"),
            saved(noise(mode="CMYK"), "JPEG"),
            saved(noise(), "MPO", **several()),
        ],
        "PNG": [
            saved(noise(), "PNG", pnginfo=text, exif=exif),
            saved(noise(mode="RGBA"), "PNG"),
            saved(palette, "PNG", transparency=3),
            saved(deep, "PNG"),
            saved(noise(), "PNG", **several()),
        ],
        "WEBP": [
            saved(noise(), "WEBP", exif=exif),
            saved(noise(mode="RGBA"), "WEBP", lossless=True),
            saved(noise(), "WEBP", **several()),
        ],
        "GIF": [
            saved(noise(), "GIF", comment="x" * 300),
            saved(palette, "GIF"),
            saved(noise(), "GIF", **several()),
        ],
        "BMP": [saved(noise(), "BMP"), saved(palette, "BMP"), saved(noise(mode="1"), "BMP")],
        "TIFF": [
            saved(noise(), "TIFF", tiffinfo={270: "words"}),
            saved(noise(), "TIFF", compression="tiff_lzw"),
            saved(noise(), "TIFF", compression="jpeg"),
            saved(deep, "TIFF", compression="tiff_adobe_deflate"),
            saved(noise(), "TIFF", **several()),
        ],
        "AVIF": [
            saved(noise(), "AVIF", exif=exif),
            saved(noise(mode="RGBA"), "AVIF"),
            saved(noise(), "AVIF", **several()),
        ],
    }
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    heif.from_pillow(noise()).save(out)
    return found | {HEIC: [out.getvalue()]}


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(1, len(data)) :]


def changed(data: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, len(data), rng.integers(1, 9)):
        data[place] = rng.integers(256)


def emptied(data: bytearray, rng: np.random.Generator) -> None:
    start, length = rng.integers(0, len(data)), int(rng.integers(1, 65))
    data[start : start + length] = bytes(len(data[start : start + length]))


def shortened(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(2, len(data))
    del data[start : start + rng.integers(1, 65)]


def repeated(data: bytearray, rng: np.random.Generator) -> None:
    start = rng.integers(2, len(data))
    data[start:start] = data[start : start + rng.integers(1, 65)]


EDITS: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    cut,
    changed,
    emptied,
    shortened,
    repeated,
)


def damaged() -> Iterator[tuple[str, bytes]]:
    """Yield `FILES` damaged pictures with their format, the same at every call."""
    rng = np.random.default_rng(7)
    whole = [(form, data) for form, found in seeds().items() for data in found]
    for number in range(FILES):
        form, data = whole[number % len(whole)]
        edited = bytearray(data)
        EDITS[rng.integers(len(EDITS))](edited, rng)
        yield form, bytes(edited)


def refusal(act: Callable[..., object], given: Picture | bytes) -> str:
    """Return the message of the refusal, or an empty text where the picture is usable."""
    try:
        act(given, SETTINGS)
    except PictureError as error:
        return str(error)
    return ""


def test_reading_and_decoding_give_the_same_verdict_with_a_reason() -> None:
    verdicts: dict[str, set[bool]] = {}
    for number, (form, data) in enumerate(damaged()):
        picture = Picture.from_bytes(data)
        read = refusal(read_picture, data)
        checked = refusal(check_picture, picture)
        loaded = refusal(load_picture, picture)
        assert bool(read) == bool(checked) == bool(loaded), (number, form, read, loaded)
        assert not MARKS.search(read), (number, form, read)
        verdicts.setdefault(form, set()).add(bool(read))
    assert verdicts == {form: {True, False} for form in (*FORMATS, HEIC)}


def test_no_note_is_lost_for_a_picture() -> None:
    good = saved(noise(9), "PNG")
    data = [one for _, one in damaged()]
    records = [
        {"id": f"n{n}", "title": "a title", "images": [{"bytes": one}, {"bytes": good}]}
        for n, one in enumerate(data)
    ]
    report = SkipReport()
    notes = notes_from_records(records, None, SETTINGS, report)
    assert len(notes) == FILES
    assert sum(len(note.pictures) for note in notes) == 2 * FILES - len(report)
    assert all(note.pictures[-1].data == good for note in notes)
    assert report.counts() == {"bad picture": len(report)}
    usable = [note.pictures[0] for note in notes if len(note.pictures) == 2]
    assert usable
    for picture in usable:  # what is read is decoded later
        assert load_picture(picture, SETTINGS).mode == "RGB"


def test_whole_pictures_of_every_format_are_usable() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for form, found in seeds().items():
            for data in found:
                assert load_picture(read_picture(data, SETTINGS), SETTINGS).size in ((40, 24), (24, 40)), form
