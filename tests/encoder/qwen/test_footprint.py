"""Memory formulas of Qwen-VL: by hand at the 8B shape, and against what autograd keeps of a tiny model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft.helpers import disable_input_dtype_casting

from uninote.encoder import Encoder
from uninote.encoder.footprint import plan_memory
from uninote.encoder.qwen.footprint import (
    TextShape,
    VisionShape,
    qwen_footprint,
    seeing_bytes,
    shapes_of,
    text_layer_bytes,
    vision_layer_bytes,
)
from uninote.encoder.qwen.settings import LAYERS
from uninote.items import Item, Picture

TEXT_8B = TextShape(4096, 36, 32, 8, 128, 12_288)
VISION_8B = VisionShape(1152, 27, 16, 4304, 3, 4, 1536)


def test_the_8b_shape_by_hand() -> None:
    layer = 12 * 4096 + 8 * (4096 + 1024) + 8 * 12_288 + 14 * 16 + (8 * 32 + 4 * 8 + 8)
    assert text_layer_bytes(TEXT_8B, 16) == layer == 188_936
    assert vision_layer_bytes(VISION_8B, 16) == 26 * 1152 + 4 * 4304 + 4 * 16 + 8 * 16 + 8 == 47_368
    assert seeing_bytes(VISION_8B) == 36 * 1152
    made = qwen_footprint(TEXT_8B, VISION_8B, 16, 17 * 10**9, 44 * 10**6, tower_trains=False)
    assert (made.token, made.inputs, made.features) == (36 * layer, 36 * 8192, 4 * 8192 + 4 * 3072)
    assert (made.tower, made.tower_inputs, made.seeing) == (0, 0, 4 * 36 * 1152)
    # One pass of 16,384 tokens alone is more than 100 GiB.
    plan = plan_memory(made, 200_000, 16_384, 141 * 2**30)
    assert (plan.checkpointing, plan.recompute, plan.fits) == (True, False, True)


@pytest.fixture
def backbone(tiny_qwen: Callable[..., Path]) -> Any:
    """The tiny model as on a GPU: weights in bfloat16, adapters in float32, on all projections."""
    targets = LAYERS + r"|.*visual.*\.(qkv|proj|linear_fc1|linear_fc2)"
    made: Any = Encoder.pretrained(tiny_qwen(), device="cpu", dims=(16,), lora_targets=targets).backbone
    made.model.to(torch.bfloat16)
    made.add_lora(2, 4, 0.0)
    for parameter in made.parameters():
        parameter.data = parameter.float() if parameter.requires_grad else parameter.data
    return made.train()


def kept(backbone: Any, run: Callable[[], torch.Tensor]) -> int:
    """Count the bytes that autograd keeps for the backward pass, each storage once, weights left out."""
    weights = {one.untyped_storage().data_ptr() for one in [*backbone.parameters(), *backbone.buffers()]}
    found: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16), disable_input_dtype_casting(backbone.model):
        run()
    return sum(storage.nbytes() for storage in found.values())


def slope(backbone: Any, layers: torch.nn.ModuleList, runs: Sequence[tuple[int, Callable[[], Any]]]) -> float:
    """Return the bytes a unit, token or patch, that a layer in the middle keeps.

    The first layer runs once more in a second measurement, so all else is the same.
    """
    slopes = []
    for _ in range(2):
        (fewer, small), (more, large) = ((units, kept(backbone, run)) for units, run in runs)
        slopes.append((large - small) / (more - fewer))
        layers.insert(0, layers[0])
    return slopes[1] - slopes[0]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_layer_keeps_what_the_formula_says(backbone: Any, checkpointing: bool) -> None:
    backbone.checkpoint_layers(checkpointing)
    text, _ = shapes_of(backbone.model.config)
    inputs = [backbone.prepare([Item.of("word " * words)]) for words in (30, 90)]
    backbone.core.language_model.config.num_hidden_layers = 3
    runs = [(one["ids"].numel(), partial(backbone, **one)) for one in inputs]
    found = slope(backbone, backbone.core.language_model.layers, runs)
    expected = 2 * text.width if checkpointing else text_layer_bytes(text, 2)
    # Attention may keep its output twice, for itself and for the next projection.
    assert expected <= found <= expected + 2 * text.heads * text.head


def test_a_vision_layer_keeps_what_the_formula_says(
    backbone: Any, make_picture: Callable[..., Picture]
) -> None:
    _, vision = shapes_of(backbone.model.config)
    inputs = [backbone.prepare([Item.of(make_picture(0, size))]) for size in ((64, 64), (128, 128))]
    runs = [(len(one["pixels"]), partial(backbone.see, one["pixels"], one["grids"])) for one in inputs]
    found = slope(backbone, backbone.core.visual.blocks, runs)
    norms = 4 * vision.width  # in float32 on a GPU, in bfloat16 on a CPU
    assert found == pytest.approx(vision_layer_bytes(vision, 2) - norms, rel=0.05)
