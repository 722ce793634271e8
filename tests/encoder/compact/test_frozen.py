from __future__ import annotations

import copy

import pytest
import torch

from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.frozen import FrozenTowers, WordCache
from uninote.encoder.compact.vision import CELLS, CHANNELS
from uninote.items import Item, Picture
from uninote.settings import EncoderSettings


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    backbone = CompactBackbone(EncoderSettings(vision_side=32), seed=3)
    torch.nn.init.normal_(backbone.connector.adapter[2].weight, std=0.1)
    return backbone.eval()


@pytest.fixture
def items(compact):
    pictures = [Picture("a" * 64), Picture("b" * 64)]
    for picture in pictures:
        compact.features.recent[picture.digest] = torch.randn(CELLS, CHANNELS).half()
    return [
        Item.of("a dog", pictures[0], "on the beach"),
        Item.of("a dog on the beach"),
        Item.of(pictures[0], pictures[1]),
        Item.of(*pictures, "words " * 300),
        Item.of("\u200b"),
    ]


def test_vectors_are_the_compact_backbones(compact, items, tmp_path):
    frozen = FrozenTowers(compact, WordCache(tmp_path)).eval()
    with torch.no_grad():
        expected = compact(**compact.prepare(items))
        torch.testing.assert_close(frozen(**frozen.prepare(items)), expected, rtol=0, atol=2e-6)


def test_the_tower_runs_once_per_text_and_never_again(compact, items, tmp_path, monkeypatch):
    first = FrozenTowers(compact, WordCache(tmp_path)).prepare(items)
    monkeypatch.setattr(compact, "towers", lambda *_: pytest.fail("the tower ran"))
    again = FrozenTowers(compact, WordCache(tmp_path)).prepare(items)
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name]), name


def test_a_copy_shares_the_towers_but_not_the_connector(compact, items):
    frozen = FrozenTowers(compact, WordCache())
    twin = copy.deepcopy(frozen)
    assert twin.compact is compact
    assert twin.words is frozen.words
    before = twin(**twin.prepare(items))
    with torch.no_grad():
        frozen.connector.scale.add_(1)
    assert torch.equal(twin(**twin.prepare(items)), before)
    with torch.no_grad():
        frozen.connector.scale.sub_(1)
