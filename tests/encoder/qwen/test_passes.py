"""The vision tower in passes: whole pictures, the same vectors and gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from uninote.encoder import Encoder
from uninote.encoder.qwen.passes import picture_passes
from uninote.encoder.qwen.settings import LAYERS
from uninote.items import Item, Picture


def test_pictures_are_seen_in_passes_of_whole_pictures() -> None:
    grids = torch.tensor([[1, 2, 2], [1, 2, 4], [1, 4, 4], [1, 2, 2]])
    pixels = torch.arange(32.0)[:, None]
    passes = picture_passes(pixels, grids, 12)
    assert [len(part) for part, _ in passes] == [12, 16, 4]
    assert torch.equal(torch.cat([part for part, _ in passes]), pixels)
    assert [grid.tolist() for _, grid in passes] == [
        grids[:2].tolist(),
        grids[2:3].tolist(),
        grids[3:].tolist(),
    ]
    assert len(picture_passes(pixels, grids)) == 1


def test_passes_of_the_tower_change_neither_vectors_nor_gradients(
    tiny_qwen: Callable[..., Path], make_picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = LAYERS + r"|.*visual.*\.(qkv|proj|linear_fc1|linear_fc2)"
    backbone: Any = Encoder.pretrained(tiny_qwen(), device="cpu", lora_targets=targets).backbone
    backbone.add_lora(2, 4, 0.0)
    backbone.train()
    inputs = backbone.prepare([Item.of(make_picture(n, (96, 64)), "text") for n in range(3)])
    found = []
    for patches in (10_000, 1):
        monkeypatch.setattr("uninote.encoder.qwen.passes.PATCHES", patches)
        backbone.zero_grad()
        made = backbone(**inputs)
        made.square().sum().backward()
        found.append([made.detach(), *(p.grad.clone() for p in backbone.parameters() if p.requires_grad)])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-4, rtol=1e-3)
