"""Spellings of base64: every one gives the same bytes, and what is none says what to give."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.corpus.base64 import decode_base64

DATA = bytes(range(256))
PLAIN = base64.b64encode(DATA).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        base64.encodebytes(DATA).decode(),
        base64.encodebytes(DATA).decode().replace("\n", "\r\n"),
        f"  {PLAIN}\t",
        base64.urlsafe_b64encode(DATA).decode(),
        PLAIN.rstrip("="),
        base64.urlsafe_b64encode(DATA).decode().rstrip("="),
        f"data:image/png;base64,{PLAIN}",
        f"data:;base64,{PLAIN}",
        f"data:image/png;charset=utf-8;base64,{PLAIN}",
        f'data:image/png;name="a.png";base64,{PLAIN}',
        f"DATA:IMAGE/PNG;BASE64,{PLAIN}",
        f"data:image/jpeg; base64, {PLAIN}",
        f"data:image/png;base64,{PLAIN.replace('+', '%2B').replace('/', '%2f').replace('=', '%3D')}",
        f"\ndata:image/png;base64,{base64.encodebytes(DATA).decode()}",
    ],
)
def test_every_usual_spelling_is_taken(text: str) -> None:
    assert decode_base64(text) == DATA


@given(st.binary(min_size=1, max_size=200), st.integers(1, 80), st.booleans(), st.booleans())
def test_spellings_combine(data: bytes, width: int, padded: bool, url_safe: bool) -> None:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(data).decode()
    text = text if padded else text.rstrip("=")
    assert decode_base64("\n".join(text[n : n + width] for n in range(0, len(text), width))) == data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("====", "is empty"),
        ("data:image/png;base64,", "is empty"),
        ("YWJjZ", "is not whole base64"),
        ("YWJj===", "is not whole base64"),
        ("YW=J", "is not base64"),
        ("ÄÄÄÄ", "is not base64"),
        ("YWJ!", "is not base64"),
        ("https://a.example/b.png", "is an address; send it as url"),
        ("data:image/svg+xml,%3Csvg/%3E", "is a data: URL without base64"),
        ("data:image/png", "is a data: URL without base64"),
    ],
)
def test_what_is_none_says_what_to_give(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}.* give |^{message}.* encode the file again$"):
        decode_base64(text)
