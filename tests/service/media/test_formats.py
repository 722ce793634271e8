"""Uploads of newer formats: accepted, or refused by name; stored pictures get the type of their bytes."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image

from uninote.service.errors import InvalidError, UnsupportedError
from uninote.service.http import responses
from uninote.service.media.decode import picture_of
from uninote.settings import CorpusSettings

CAPS = CorpusSettings()


def saved(form: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(out, form, **options)
    return out.getvalue()


def test_avif_is_accepted_and_a_cut_one_is_invalid() -> None:
    data = saved("AVIF")
    assert picture_of(data, CAPS).data == data
    with pytest.raises(InvalidError, match="picture data is a damaged or truncated AVIF"):
        picture_of(data[:-50], CAPS)


def test_a_refused_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    for data, said in ((heic, r"is HEIC.*uninote\[heic\]"), (b"%PDF-1.4", "is PDF"), (b"<svg/>", "is SVG")):
        with pytest.raises(UnsupportedError, match=said):
            picture_of(data, CAPS)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_stored_pictures_get_the_type_of_their_bytes(form: str) -> None:
    assert responses.picture(saved(form)).media_type == f"image/{form.lower()}"
    assert responses.picture(b"\0\0\0\x18ftypheic").media_type == "image/heic"
    assert responses.picture(b"<html>").media_type == "application/octet-stream"
