"""No item twice: memory of vectors, and the next batch prepared while the model runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from uninote.encoder import Encoder, Inputs
from uninote.encoder.memory import Memory
from uninote.errors import ItemError
from uninote.items import Item, Picture
from uninote.tasks.definitions import Task


def test_the_least_recently_used_is_forgotten() -> None:
    memory = Memory(2)
    for name in "ab":
        memory.put((name, ""), np.full(2, ord(name), np.float32))
    assert memory.get(("a", "")) is not None
    memory.put(("c", ""), np.zeros(2, np.float32))
    assert memory.get(("b", "")) is None
    assert memory.get(("a", "other instruction")) is None
    found = memory.get(("a", ""))
    assert found is not None
    assert found.tolist() == [97, 97]


def test_a_changed_weight_empties_it() -> None:
    memory, layer = Memory(2), nn.Linear(2, 2)
    memory.of(layer).put(("a", ""), np.zeros(2, np.float32))
    assert memory.of(layer).get(("a", "")) is not None
    layer(torch.ones(1, 2)).sum().backward()
    torch.optim.AdamW(layer.parameters()).step()
    assert memory.of(layer).get(("a", "")) is None


@pytest.fixture(scope="module")
def remembering(tiny_qwen: Callable[..., Path]) -> Callable[..., Encoder]:
    def make(**options: int) -> Encoder:
        return Encoder.pretrained(tiny_qwen(), dims=(64,), max_tokens=128, device="cpu", **options)

    return make


def count_prepared(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    original = encoder.backbone.prepare

    def prepare(items: Sequence[Item], instruction: str = "") -> Inputs:
        sizes.append(len(items))
        return original(items, instruction)

    monkeypatch.setattr(encoder.backbone, "prepare", prepare)
    return sizes


def test_equal_items_are_encoded_once(
    remembering: Callable[..., Encoder], make_picture: Callable[..., Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [Item.of("one", make_picture(0)), Item.of("two"), Item.of("one", make_picture(0))]
    for remember, prepared in ((0, [2, 2, 2]), (8, [2, 2]), (1, [2, 1, 2])):
        encoder = remembering(remember=remember)
        sizes = count_prepared(encoder, monkeypatch)
        first, again = encoder.encode(items), encoder.encode(items)
        assert np.allclose(first, again, atol=1e-6)
        assert np.array_equal(first[0], first[2])
        assert np.abs(encoder.encode(items, task=Task.I2T) - first).max() > 1e-3  # another instruction
        assert sizes == prepared
        encoder.backbone.add_lora(2, 4, 0.0)  # other weights
        encoder.encode(items)
        assert sizes[-1] == 2


def test_a_server_may_remember(remembering: Callable[..., Encoder], tmp_path: Path) -> None:
    folder = remembering().save(tmp_path / "model")
    assert Encoder.load(folder, device="cpu").memory.size == 0
    encoder = Encoder.load(folder, device="cpu", remember=5)
    encoder.encode([Item.of(word) for word in "abc"])
    assert encoder.memory.get((Item.of("a").key, "")) is not None


@pytest.mark.parametrize("cores", [1, 64])
def test_the_next_batch_is_prepared_meanwhile_when_cores_are_left(
    remembering: Callable[..., Encoder],
    broken_picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:
    monkeypatch.setattr("uninote.encoder.encoder.cores", lambda: cores)
    encoder = remembering(token_budget=64)
    items = [Item.of(f"word {n}") for n in range(6)]
    expected = np.concatenate([encoder.encode([item]) for item in items])
    threads: set[str] = set()
    original = encoder.backbone.prepare

    def prepare(items: Sequence[Item], instruction: str = "") -> Inputs:
        threads.add(threading.current_thread().name)
        return original(items, instruction)

    monkeypatch.setattr(encoder.backbone, "prepare", prepare)
    failures: dict[int, ItemError] = {}
    found = encoder.encode([*items, Item.of(broken_picture)], failures=failures)
    assert np.allclose(found[:-1], expected, atol=1e-5)
    assert list(failures) == [6]
    assert any(name.startswith("prepare") for name in threads) is (cores == 64)
    with pytest.raises(ItemError):
        encoder.encode([Item.of(broken_picture), *items])
