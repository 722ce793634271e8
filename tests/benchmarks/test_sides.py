"""Sides of the benchmarks that the package itself does not run."""

from __future__ import annotations

import io

import torch
from PIL import Image

from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.items import Item, Picture


def red() -> Picture:
    data = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(data, "PNG")
    return Picture.from_bytes(data.getvalue())


def test_padded_rows_give_the_vectors_of_packed_ones_for_nested_items_too(script, tiny_qwen):
    picture = red()
    chains = [[Item.of("a", picture), Item.of("a", picture, "a red circle"), Item.of("a")], [Item.of("cat")]]
    found = []
    for kind in (QwenVLBackbone, script("padded_rows").PaddedBackbone):
        backbone = kind(tiny_qwen(), device="cpu")
        (batch,), pictures = backbone.prepare_step([(chains, "")])
        with torch.no_grad():
            found.append(torch.nn.functional.normalize(backbone(**batch, **pictures), dim=1))
    assert torch.allclose(*found, atol=1e-5)
    assert found[0][0] @ found[0][2] < 0.999


def test_both_ways_of_the_input_pipeline_prepare_the_pictures(script):
    work = script("input_pipeline").Work([red(), red()])
    assert work.tokens == 2 * 4
    work.simple()
    work.pipeline(2, 2.0)()
