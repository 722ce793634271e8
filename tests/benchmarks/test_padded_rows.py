"""Padded batches, the other side of the benchmark of packing: their vectors are those of packed ones."""

from __future__ import annotations

import torch

from uninote import Item
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.settings import QwenSettings


def test_padded_rows_have_the_vectors_of_packed_ones(script, tiny_qwen):
    base = tiny_qwen()
    settings = QwenSettings(model=str(base), device="cpu")
    nested = [Item.of(*["ab", "cd", "ef", "gh"][:count]) for count in (4, 2, 1)]
    chains = [nested, [Item.of("another text, longer than the others")], nested[:2]]
    found = []
    for kind in (QwenVLBackbone, script("padded_rows").PaddedBackbone):
        backbone = kind(base, settings)
        with torch.no_grad():
            found.append(backbone(**backbone.prepare_prefixes(chains)))
    assert torch.allclose(*found, atol=1e-5)
