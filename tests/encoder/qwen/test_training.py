"""A causal multimodal language model through mining and both trainers: a tiny random Qwen3-VL."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from uninote.encoder import Encoder
from uninote.items import Item, Note, Picture
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import LoraSettings, NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notes(make_picture: Callable[..., Picture]) -> list[Note]:
    made = []
    for n in range(4):
        pictures = []
        for i in range(2):
            plain = make_picture(10 * n + i, (40, 40))
            words = f"a {['red', 'blue', 'pink', 'gold'][n]} wall {i}"
            pictures.append(Picture(plain.digest, None, plain.data, words, (f"sale {n}{i}",)))
        made.append(Note(f"n{n}", f"title {n}", f"first half {n}. second half {n}.", tuple(pictures)))
    return made


def trained_weights(encoder: Encoder) -> dict[str, torch.Tensor]:
    module: Any = encoder.backbone
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


def test_both_stages_train_it_and_it_saves(
    notes: list[Note], tiny_qwen: Callable[..., Path], tmp_path: Path
) -> None:
    encoder = Encoder.pretrained(tiny_qwen(), dims=(16, 64), max_tokens=128, device="cpu")
    items = [note.item() for note in notes]
    untrained = encoder.encode(items)
    pairs = [pair for task in (Task.I2T, Task.I2NOTE) for pair in make_pairs(notes, task)]
    index = ReferenceIndex(pair_items(pairs), encoder)
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=2), 0)
    lora = LoraSettings(rank=2, alpha=4)

    sft = SftSettings(steps=2, batch_size=4, learning_rate=1e-2, warmup_ratio=0, save_every=5, lora=lora)
    train_sft(encoder, examples, index, sft, tmp_path / "sft")
    weights = trained_weights(encoder)
    assert all("lora_" in name for name in weights)
    assert all(bool(tensor.any()) for tensor in weights.values())  # lora_B starts at zero
    after_sft = encoder.encode(items)
    assert (np.abs(after_sft - untrained).max(1) > 1e-3).all()

    rl = RlSettings(steps=2, batch_size=3, learning_rate=1e-2, group_size=4, noise=2, save_every=5, lora=lora)
    train_rl(encoder, notes, rl, tmp_path / "rl")
    assert any(not torch.equal(weights[name], new) for name, new in trained_weights(encoder).items())
    logged = [json.loads(line) for line in (tmp_path / "rl" / "metrics.jsonl").read_text().splitlines()]
    assert logged[0]["kl"] == pytest.approx(0, abs=1e-6)  # no step taken yet
    assert logged[1]["kl"] > 0

    encoder.save(tmp_path / "model")
    again = Encoder.load(tmp_path / "model", device="cpu")
    assert np.allclose(again.encode(items), encoder.encode(items), atol=1e-6)
    assert not np.allclose(again.encode(items), after_sft, atol=1e-4)


def test_batches_on_a_cpu_stay_small(tiny_qwen: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Encoder.pretrained(tiny_qwen(), device="cpu", max_tokens=700)
    assert encoder.settings.token_budget == 16_384
    sizes, forward = [], encoder._run
    monkeypatch.setattr(
        encoder, "_run", lambda inputs: sizes.append(inputs["ids"].numel()) or forward(inputs)
    )
    items = [Item.of(f"{n} " * (20 * n)) for n in range(1, 16)]
    encoder.encode(items)
    costs = [encoder.backbone.cost(item) for item in items]
    assert sum(sizes) == sum(costs)  # no padding
    assert max(sizes) <= 2048
    assert len(sizes) > 1
