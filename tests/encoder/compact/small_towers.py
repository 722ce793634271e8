"""Small towers that count their calls, for tests that need no pretrained weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from uninote.encoder import Encoder
from uninote.encoder.compact import towers
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers
from uninote.evaluation import note_rows

WIDE = 384
"""Width of the text tower of the package, and the widest of the default dimensions."""


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


@contextmanager
def small_towers_in_place() -> Iterator[None]:
    """Load small towers of the default width wherever a model names those of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(towers, "text_tower", lambda *_, **__: WordsTower(width=WIDE))
        patch.setattr(note_rows, "text_tower", lambda *_, **__: WordsTower("near"))
        patch.setattr(towers, "vision_tower", lambda *_, **__: ColourTower())
        yield


def small_encoder(folder: Path | None = None, seed: int = 0, **settings: object) -> Encoder:
    """Build an untrained compact model of the default dimensions on small towers."""
    chosen = CompactSettings.model_validate({"device": "cpu", "read": "given", **settings})
    on = Towers([WordsTower(width=WIDE)], ColourTower(), folder=folder)
    return Encoder(CompactBackbone.on(on, chosen, seed), chosen)
