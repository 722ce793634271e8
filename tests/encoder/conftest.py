"""One compact model for all encoder tests, on small towers, and pictures made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from tests.encoder.compact.small_towers import small_encoder

from uninote.encoder import Encoder
from uninote.items import Picture


@pytest.fixture(scope="session")
def untrained() -> Encoder:
    return small_encoder()


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Picture]:
    """A picture of coloured noise; equal seeds and sizes give equal bytes."""

    def make(seed: int = 0, size: tuple[int, int] = (24, 16)) -> Picture:
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize(size).save(buffer, "PNG")
        return Picture.from_bytes(buffer.getvalue())

    return make


@pytest.fixture(scope="session")
def broken_picture(make_picture: Callable[..., Picture]) -> Picture:
    """A PNG cut off in the middle of its pixels."""
    data = make_picture(99, (64, 64)).read()
    return Picture.from_bytes(data[: len(data) // 2])
