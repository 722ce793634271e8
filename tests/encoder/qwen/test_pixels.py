"""Pictures of Qwen-VL through the input pipeline: any number of threads, bad pictures, reduced JPEGs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.corpus.test_resized import jpeg, photo, screenshot

from uninote.encoder import Encoder
from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import LoraSettings, NegativeSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.sft import train_sft

Make = Callable[..., Encoder]
FULL = 1e6
"""Reserve that no JPEG has: all are decoded in full."""


@pytest.fixture(scope="module")
def encoder_with(tiny_qwen: Callable[..., Path]) -> Make:
    def make(**options: Any) -> Encoder:
        return Encoder.pretrained(tiny_qwen(), dims=(16, 64), max_tokens=256, device="cpu", **options)

    return make


@pytest.fixture(scope="module")
def notes(make_picture: Callable[..., Picture]) -> list[Note]:
    pictures = [make_picture(n, (40 + 8 * n, 40)) for n in range(8)]
    described = [Picture(p.digest, None, p.data, f"wall {n}", (f"sale {n}",)) for n, p in enumerate(pictures)]
    return [Note(f"n{n}", f"title {n}", f"body {n}.", tuple(described[2 * n : 2 * n + 2])) for n in range(4)]


def test_the_number_of_threads_changes_no_bit(encoder_with: Make, notes: list[Note]) -> None:
    one, four = (encoder_with(decoders=count) for count in (1, 4))
    items = [note.item() for note in notes]
    expected: Any = one.backbone.prepare(items)
    found: Any = four.backbone.prepare(items)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert np.array_equal(one.encode(items), four.encode(items))


@pytest.mark.parametrize("cores", [1, 64], ids=["in turn", "ahead"])
def test_a_bad_picture_costs_its_item_only(
    encoder_with: Make,
    notes: list[Note],
    broken_picture: Picture,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
) -> None:
    monkeypatch.setattr("uninote.encoder.encoder.cores", lambda: cores)
    encoder = encoder_with(decoders=4, token_budget=256)
    items = [note.item() for note in notes]
    expected = encoder.encode(items)
    failures: dict[int, ItemError] = {}
    mixed = [*items[:2], Item.of("bad", notes[0].pictures[0], broken_picture), *items[2:]]
    found = encoder.encode(mixed, failures=failures)
    assert list(failures) == [2]
    assert np.isnan(found[2]).all()
    assert np.allclose(np.delete(found, 2, 0), expected, atol=1e-5)
    with pytest.raises(ItemError):
        encoder.encode(mixed)
    for thread in threading.enumerate():
        if thread.name.startswith(("prepare", "decode")):
            thread.join(60)
            assert not thread.is_alive()


def test_vectors_of_reduced_jpegs_are_those_of_full_ones(encoder_with: Make) -> None:
    encoder = encoder_with(picture_pixels=256 * 256)
    items = [Item.of(jpeg(photo((1200, 1600), seed))) for seed in range(3)]
    items += [Item.of(jpeg(screenshot((1200, 1600))))]
    reduced = encoder.encode(items)
    module: Any = encoder.backbone
    module.pixels.reserve = FULL
    full = encoder.encode(items)
    assert not np.array_equal(reduced, full)
    assert (reduced * full).sum(1).min() > 0.999


def test_small_and_turned_jpegs_take_their_place(encoder_with: Make) -> None:
    """Compare the grid of a turned picture that is reduced with that of its upright copy."""
    module: Any = encoder_with(picture_pixels=64 * 64).backbone
    upright, turned = photo((640, 1280)), jpeg(photo((640, 1280)), turn=6)
    grids = [
        module.prepare([Item.of(picture)])["grids"].tolist()
        for picture in (jpeg(upright.transpose(4)), turned)
    ]
    assert grids[0] == grids[1]


@pytest.mark.slow
def test_training_is_the_same_with_any_number_of_threads(
    encoder_with: Make, notes: list[Note], tmp_path: Path
) -> None:
    trained = []
    for decoders in (1, 4):
        encoder = encoder_with(decoders=decoders)
        pairs = [pair for task in (Task.I2T, Task.I2NOTE) for pair in make_pairs(notes, task)]
        index = ReferenceIndex(pair_items(pairs), encoder)
        examples = mine_from_index(pairs, index, NegativeSettings(per_query=2), 0)
        lora = LoraSettings(rank=2, alpha=4)
        settings = SftSettings(steps=3, batch_size=4, learning_rate=1e-2, warmup_ratio=0, lora=lora)
        train_sft(encoder, examples, index, settings, tmp_path / str(decoders))
        module: Any = encoder.backbone
        trained.append({name: p.detach() for name, p in module.named_parameters() if p.requires_grad})
    assert trained[0].keys() == trained[1].keys()
    assert all(tensor.equal(trained[1][name]) for name, tensor in trained[0].items())
