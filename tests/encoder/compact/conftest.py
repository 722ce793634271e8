"""Models on small towers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.encoder.compact.small_towers import ColourTower, WordsTower

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers

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
