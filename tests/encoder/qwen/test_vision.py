"""The lightened vision tower against the library's own, and attention by length against one by one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModelForImageTextToText

from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.settings import QwenSettings
from uninote.encoder.qwen.vision import BY_LENGTH, attention_by_length, lighten_tower
from uninote.items import Item, Picture

KINDS = ["qwen3", "qwen2.5", "qwen2"]


def features(model: Any, pixels: torch.Tensor, grids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found = model.get_image_features(pixels, grids, return_dict=True)
    deep = getattr(found, "deepstack_features", None) or []
    return torch.cat([torch.cat(tuple(one)) for one in (found.pooler_output, *deep)], dim=1)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_the_library(
    tiny_qwen: Callable[..., Path], make_picture: Callable[..., Picture], kind: str
) -> None:
    """Compare five pictures of three sizes, one of several windows of Qwen2.5-VL."""
    folder = tiny_qwen(kind)
    own = QwenVLBackbone(folder, device="cpu")
    sizes = [(96, 64), (200, 170), (96, 64), (64, 96), (200, 170)]
    inputs = own.prepare([Item.of(*(make_picture(n, size) for n, size in enumerate(sizes)))])
    library = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).model
    pixels = own.pixels.normalised(inputs["pixels"], torch.float32)
    want = features(library, pixels, inputs["grids"])
    tower = own.core.visual
    assert tower.config._attn_implementation == BY_LENGTH
    for found in (features(own.core, pixels, inputs["grids"]), own.see(inputs["pixels"], inputs["grids"])):
        assert (found - want).abs().max() < 1e-5 * want.abs().max()
    assert tower.state_dict().keys() == library.visual.state_dict().keys()


def test_copies_use_their_own_weights(tiny_qwen: Callable[..., Path]) -> None:
    tower = AutoModelForImageTextToText.from_pretrained(tiny_qwen(), dtype=torch.float32).model.visual
    lighten_tower(tower)
    pixels = torch.rand(3, tower.patch_embed.proj.weight[0].numel())
    want = tower.patch_embed(pixels)
    other = copy.deepcopy(tower)
    assert torch.equal(other.patch_embed(pixels), want)
    torch.nn.init.zeros_(other.patch_embed.proj.weight)
    assert not torch.allclose(other.patch_embed(pixels), want)
    assert torch.equal(tower.patch_embed(pixels), want)


def test_an_adapter_of_the_patch_embedding_counts(
    tiny_qwen: Callable[..., Path], make_picture: Callable[..., Picture]
) -> None:
    folder = tiny_qwen()
    own = QwenVLBackbone(folder, QwenSettings(model=str(folder), lora_targets=r".*patch_embed\.proj"))
    own.add_lora(2, 4, 0.0)
    inputs = own.prepare([Item.of(make_picture(1))])
    before = own.see(inputs["pixels"], inputs["grids"])
    for name, parameter in own.named_parameters():
        if "lora_B" in name:
            torch.nn.init.ones_(parameter)
    assert not torch.allclose(own.see(inputs["pixels"], inputs["grids"]), before, atol=0.01)


def test_attention_by_length_is_attention_within_each_sequence() -> None:
    lengths = [3, 3, 5, 1, 5]
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, 2, 17, 4, requires_grad=True) for _ in range(3))
    bounds = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0)
    want = torch.cat(
        [
            scaled_dot_product_attention(*parts, scale=0.3).transpose(1, 2)
            for parts in zip(*(one.split(lengths, dim=2) for one in (query, key, value)), strict=True)
        ],
        dim=1,
    )
    found, _ = attention_by_length(None, query, key, value, None, cu_seq_lens_q=bounds, scaling=0.3)
    assert torch.allclose(found, want, atol=1e-6)
    weights = torch.randn_like(want)
    for mine, theirs in zip(
        torch.autograd.grad(found, (query, key, value), weights),
        torch.autograd.grad(want, (query, key, value), weights),
        strict=True,
    ):
        assert torch.allclose(mine, theirs, atol=1e-6)
