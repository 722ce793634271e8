"""Stand-in for a picture that cannot be decoded during training, so that it does not end the run.

Pictures are decoded when notes are read. One fails later if its file changed, or memory ran out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from PIL import Image

log = logging.getLogger(__name__)

GREY = Image.new("RGB", (64, 64), (127, 127, 127))


@contextmanager
def standing_in(backbone: Any) -> Iterator[None]:
    """Let `prepare` put a grey picture in the place of one that cannot be decoded, with a warning."""
    backbone.stand_in = True
    try:
        yield
    finally:
        backbone.stand_in = False


def warn_once(digest: str, error: Exception) -> None:
    """Warn of a picture in whose place training sees a grey one."""
    _warn(digest, str(error))


@lru_cache(4096)
def _warn(digest: str, why: str) -> None:
    log.warning("in training a grey picture stands for sha256:%s: %s", digest[:12], why)
