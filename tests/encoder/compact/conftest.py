"""Small towers that count their calls, for tests of caches, elements and aggregator."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers


class WordsTower:
    """Text tower: a text is the mean of random vectors of its words, by their hashes."""

    max_tokens = 512

    def __init__(self, name: str = "words", width: int = 8) -> None:
        self.name, self.width = name, width
        self.read: list[str] = []

    def count(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: Sequence[str], progress: bool = False) -> NDArray[np.float32]:
        self.read += texts
        rows = []
        for text in texts:
            seeds = [zlib.crc32(f"{self.name} {word}".encode()) for word in text.split()] or [0]
            row = sum(np.random.default_rng(seed).standard_normal(self.width) for seed in seeds)
            rows.append(row / np.linalg.norm(row))
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.width)


class ColourTower:
    """Vision tower: a picture is its mean colour, and the products of two colours."""

    name = "colours"
    width = 6

    def __init__(self, space: str | None = None) -> None:
        self.space = space
        self.seen = 0

    def pixels(self, image: Image.Image) -> NDArray[np.float32]:
        colours: NDArray[np.float32] = np.asarray(image.resize((1, 1)), np.float32).reshape(3, 1, 1) / 255
        return colours

    def encode(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        self.seen += len(pixels)
        colours = pixels[:, :, 0, 0]
        return np.concatenate([colours, colours * np.roll(colours, 1, axis=1)], 1)


Build = Callable[..., CompactBackbone]


@pytest.fixture
def build() -> Build:
    """`build(folder, texts=…, vision=…, **settings)`: an untrained backbone on small towers."""

    def make(
        folder: Path | None = None,
        texts: Sequence[WordsTower] | None = None,
        vision: ColourTower | None = None,
        **settings: object,
    ) -> CompactBackbone:
        chosen = CompactSettings.model_validate(
            {"device": "cpu", "dims": (4, 8), "read": "given", **settings}
        )
        towers = Towers(texts or [WordsTower()], vision or ColourTower(), folder=folder)
        return CompactBackbone.on(towers, chosen)

    return make


@pytest.fixture
def encoder(build: Build) -> Callable[..., Encoder]:
    def make(*args: object, **options: object) -> Encoder:
        backbone = build(*args, **options)
        return Encoder(backbone, backbone.settings)

    return make
