"""Base64 in its usual spellings."""

from __future__ import annotations

import base64
from urllib.parse import unquote

_URL_SAFE = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """Decode base64 in the standard's or another spelling. Raises ValueError that says what to give.

    Taken are white space, the URL-safe alphabet, missing padding, and a `data:` URL around it.
    """
    if text.lstrip()[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or head.rpartition(";")[2].strip().lower() != "base64":
            raise ValueError("is a data: URL without base64; give data:image/png;base64,DATA")
        text = unquote(text)
    if "://" in text[:16]:
        raise ValueError("is an address; send it as url, or give the bytes of the file in base64")
    packed = "".join(text.split()).translate(_URL_SAFE)
    bare = packed.rstrip("=")
    if not bare:
        raise ValueError("is empty; give the file in base64")
    if len(bare) % 4 == 1 or len(packed) - len(bare) > 2:
        raise ValueError("is not whole base64: its end is missing or wrong; encode the file again")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        raise ValueError("is not base64; give the bytes of the file, encoded in base64") from None
