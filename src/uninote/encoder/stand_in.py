"""Stand-ins for contents that cannot be used during training, so that they do not end the run.

Pictures are decoded when notes are read. One fails later if its file changed, or memory ran out. A tower may
give a picture or a text a row with NaN.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uninote.items import Picture

log = logging.getLogger(__name__)

GREY = Image.new("RGB", (64, 64), (127, 127, 127))


@cache
def grey_picture() -> Picture:
    """Return the grey picture as one of a note."""
    file = BytesIO()
    GREY.save(file, "PNG")
    return Picture.from_bytes(file.getvalue())


@contextmanager
def standing_in(backbone: Any) -> Iterator[None]:
    """Let `prepare` put a grey picture in the place of one that cannot be used, with a warning."""
    backbone.stand_in = True
    try:
        yield
    finally:
        backbone.stand_in = False


def finite_texts(rows: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the rows [n, width] of texts, with zeros and a warning where they are not finite."""
    finite = np.logical_and.reduce(np.isfinite(rows), axis=1)
    for text in (text for text, whole in zip(texts, finite, strict=True) if not whole):
        _warn(f"zeros stand for the text {text[:40]!r}", "its row has NaN or infinite values")
    return np.where(finite[:, None], rows, np.float32(0))


def warn_once(digest: str, error: Exception) -> None:
    """Warn of a picture in whose place training sees a grey one."""
    _warn(f"a grey picture stands for sha256:{digest[:12]}", str(error))


@lru_cache(4096)
def _warn(what: str, why: str) -> None:
    log.warning("in training %s: %s", what, why)
