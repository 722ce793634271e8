"""Anchor of stage 2: the model of before in the same modules, without a trace in the one that trains."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.training.tiny_backbone import TinyBackbone, tiny_examples

from uninote.training.anchor import Anchor

ITEMS = [example.pair.query for example in tiny_examples()]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_it_reads_as_a_copy_of_before_and_leaves_the_gradients(precision: torch.dtype) -> None:
    backbone = TinyBackbone(dropout=0.5).train()
    inputs, before = backbone.prepare(ITEMS), copy.deepcopy(backbone).eval()
    anchor = Anchor(backbone)
    with torch.no_grad():
        for parameter in backbone.mix.parameters():
            parameter.add_(0.1)
    after, mixed = copy.deepcopy(backbone), torch.autocast("cpu", torch.bfloat16, precision != torch.float32)
    with mixed:
        torch.manual_seed(0)
        made = backbone(**inputs)
        with anchor as frozen:
            held = frozen(**inputs)
        assert torch.equal(held, before(**inputs))
        assert not held.requires_grad
        torch.manual_seed(0)
        plain = after(**inputs)
    assert torch.equal(made, plain)
    assert backbone.training
    for vectors in (made, plain):
        vectors.float().square().sum().backward()
    for (name, mine), other in zip(backbone.named_parameters(), after.parameters(), strict=True):
        assert torch.equal(mine, other), name
        assert mine.grad is None if other.grad is None else torch.equal(mine.grad, other.grad)


def test_frozen_weights_are_not_copied() -> None:
    backbone = TinyBackbone()
    copied = sum(other.numel() for _, other in Anchor(backbone)._weights)
    assert copied == sum(one.numel() for one in backbone.mix.parameters())
