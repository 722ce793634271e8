from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.cached import CachedBackbone
from uninote.items import Item, Note, Picture

MakePicture = Callable[..., Picture]


@pytest.fixture
def trained(untrained: Encoder) -> CompactBackbone:
    """A connector that has moved from its start."""
    backbone = CompactBackbone(untrained.settings)
    torch.nn.init.normal_(backbone.connector.adapter[2].weight, std=0.05)  # type: ignore[arg-type]
    torch.nn.init.constant_(backbone.connector.gate, 0.5)
    return backbone


@pytest.fixture
def note(make_picture: MakePicture) -> Note:
    return Note("n", "Two trees", "An oak. A birch.", (make_picture(1), make_picture(2)))


def test_vectors_are_the_backbones_own(trained: CompactBackbone, note: Note, tmp_path: Path) -> None:
    """Encode a note, texts and pictures alone (one of them twice): in one batch, one by one, and saved."""
    items = [
        note.item(),
        Item.of(note.title, note.body),
        Item.of(note.pictures[0]),
        Item.of(*note.pictures, note.pictures[0]),
    ]
    cached = Encoder(CachedBackbone(trained), trained.settings)
    vectors = cached.encode(items)
    assert np.allclose(vectors, Encoder(trained, trained.settings).encode(items), atol=1e-5)
    assert np.allclose(vectors, np.concatenate([cached.encode([item]) for item in items]), atol=1e-6)
    cached.save(tmp_path)
    assert np.allclose(Encoder.load(tmp_path, device="cpu").encode(items), vectors, atol=1e-5)


def test_gradients_are_the_backbones_own(trained: CompactBackbone, note: Note) -> None:
    items = [note.item(), Item.of("a cat"), Item.of(note.pictures[0])]
    cached = CachedBackbone(trained)
    assert {name.split(".")[0] for name, _ in cached.named_parameters()} == {"connector"}
    found = []
    for backbone in (trained, cached):
        trained.zero_grad()
        backbone(**backbone.prepare(items)).square().sum().backward()
        connector = trained.connector
        found.append(
            [
                p.grad.clone()
                for p in (connector.gate, connector.scale, *connector.head.parameters())
                if p.grad is not None
            ]
        )
    assert len(found[0]) == len(found[1]) > 4
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(*found, strict=True))


def test_pictures_beyond_the_tokens_do_not_count(make_picture: MakePicture, untrained: Encoder) -> None:
    narrow = CompactBackbone(untrained.settings.model_copy(update={"max_tokens": 16}))
    item = Item.of(*[make_picture(shade) for shade in range(4)])
    vectors = [
        Encoder(backbone, narrow.settings).encode([item]) for backbone in (CachedBackbone(narrow), narrow)
    ]
    assert np.allclose(*vectors, atol=1e-5)


def test_towers_run_once(trained: CompactBackbone, note: Note, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = CachedBackbone(trained)
    inputs = cached.prepare([note.item()])
    monkeypatch.setattr(trained, "prepare", None)
    monkeypatch.setattr(trained, "features", None)
    assert all(torch.equal(inputs[name], tensor) for name, tensor in cached.prepare([note.item()]).items())


def test_dropout_in_training_only(trained: CompactBackbone, note: Note) -> None:
    cached = CachedBackbone(trained, dropout=0.5)
    inputs = cached.prepare([note.item()])
    assert not torch.equal(cached.train()(**inputs), cached(**inputs))
    assert torch.equal(cached.eval()(**inputs), cached(**inputs))
