"""Fixtures of real picture and video files, encoded by the tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from uninote.corpus.skips import SkipReport
from uninote.settings import CorpusSettings


@pytest.fixture
def settings() -> CorpusSettings:
    return CorpusSettings()


@pytest.fixture
def report() -> SkipReport:
    return SkipReport()


@pytest.fixture(scope="session")
def noise() -> Callable[..., Image.Image]:
    """Make a random RGB picture; equal seeds yield equal pixels."""

    def make(seed: int = 0, size: tuple[int, int] = (40, 24)) -> Image.Image:
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return Image.fromarray(pixels)

    return make


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    def make(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
        out = io.BytesIO()
        image.save(out, form, **options)
        return out.getvalue()

    return make


@pytest.fixture(scope="session")
def png(noise: Callable[..., Image.Image], encode: Callable[..., bytes]) -> Callable[..., bytes]:
    """Encoded random picture."""
    return lambda seed=0, form="PNG", **options: encode(noise(seed), form, **options)


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """A video whose frame `i` of `count` is grey at `255 * i / (count - 1)`."""

    def make(
        name: str = "clip.mp4",
        *,
        count: int = 30,
        fps: int = 10,
        size: tuple[int, int] = (64, 48),
        container: str | None = None,
        codec: str = "mpeg4",
        noisy: bool = False,
        layout: str = "yuv420p",
        **options: str,
    ) -> Path:
        path = tmp_path / name
        grain = np.random.default_rng(0)
        with av.open(str(path), "w", format=container, options=options) as out:
            stream = out.add_stream(codec, rate=fps)
            stream.width, stream.height, stream.pix_fmt = size[0], size[1], layout
            for index in range(count):
                pixels = np.full((size[1], size[0], 3), 255 * index // max(count - 1, 1), np.uint8)
                if noisy:
                    pixels = grain.integers(0, 256, pixels.shape, dtype=np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            out.mux(stream.encode())
        return path

    return make
