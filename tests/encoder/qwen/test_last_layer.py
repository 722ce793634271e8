"""The last layer for read-outs alone against the whole layer: vectors, gradients, copies."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.last_layer import seen_tokens
from uninote.items import Item, Picture

KINDS = ["qwen3", "qwen2.5", "qwen2", "qwen3-moe"]


@pytest.fixture
def chains(make_picture: Callable[..., Picture]) -> list[list[Item]]:
    parts = ["a title.", make_picture(1), "a body", make_picture(2, (64, 96))]
    return [[Item.of(*parts[:2]), Item.of(*parts), Item.of(*parts[:3])], [Item.of("hello")]]


def read(backbone: Any, inputs: dict[str, Any], short: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return read-outs, and their gradients of the adapters."""
    backbone.reads_last = short
    found = backbone(**inputs)
    trained = [p for p in backbone.parameters() if p.requires_grad]
    weights = torch.linspace(-1, 1, found.numel()).view_as(found)
    return found.detach(), list(torch.autograd.grad(found, trained, weights, allow_unused=True))


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_and_gradients_are_those_of_the_whole_layer(
    tiny_qwen: Callable[..., Path], chains: list[list[Item]], kind: str
) -> None:
    backbone = QwenVLBackbone(tiny_qwen(kind), device="cpu")
    assert backbone.reads_last
    torch.manual_seed(0)
    backbone.add_lora(4, 8, 0.0)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.1)
    for inputs in (
        backbone.prepare_prefixes(chains, "Find it."),
        backbone.prepare([item for chain in chains for item in chain]),
    ):
        (short, mine), (whole, theirs) = (read(backbone, inputs, how) for how in (True, False))
        assert torch.allclose(short, whole, atol=1e-5)
        assert len(mine) == len(theirs) > 10
        for one, other in zip(mine, theirs, strict=True):
            assert torch.allclose(one, other, atol=1e-4)


def test_a_model_whose_last_layer_is_of_another_form_stays_whole(tiny_qwen: Callable[..., Path]) -> None:
    assert not QwenVLBackbone(tiny_qwen("qwen3.5"), device="cpu").reads_last


def test_copies_use_their_own_weights(tiny_qwen: Callable[..., Path]) -> None:
    backbone: Any = QwenVLBackbone(tiny_qwen(), device="cpu")
    inputs = backbone.prepare([Item.of("hello")])
    want = backbone(**inputs)
    other = copy.deepcopy(backbone)
    assert torch.equal(other(**inputs), want)
    torch.nn.init.zeros_(other.core.language_model.layers[-1].mlp.down_proj.weight)
    assert not torch.allclose(other(**inputs), want)
    assert torch.equal(backbone(**inputs), want)


def test_a_read_out_sees_its_own_row_up_to_its_column() -> None:
    assert seen_tokens(torch.tensor([[1, 1], [0, 0]]), (2, 2)).int().tolist() == [[0, 0, 1, 1], [1, 0, 0, 0]]


def test_a_packed_read_out_sees_its_own_sequence_and_its_trunk() -> None:
    """Take an item of two tokens, then one of three with a further end of one token after its first."""
    sequences = torch.tensor([[2, 0, 0], [3, 1, 0], [1, 1, 1]])
    seen = seen_tokens(torch.tensor([[0, 5], [0, 1], [0, 4]]), (1, 6), sequences)
    assert seen.int().tolist() == [[0, 0, 1, 0, 0, 1], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]]
