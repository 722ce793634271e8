"""Movement of a model: by hand, of a training that learns, and of those that cannot."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.tiny_backbone import HashedReference, items_of, tiny_encoder, tiny_examples
from tests.training.two_processes import tiny_notes

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item
from uninote.negatives import ReferenceIndex
from uninote.settings import RlSettings, SftSettings
from uninote.training.movement import Movement, Start, read_movement, vector_distance, weight_change
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft
from uninote.training.trainer import last_checkpoint


def trained(folder: Path, encoder: Encoder | None = None, **options: object) -> Movement:
    examples = tiny_examples()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings.model_validate({"steps": 6, "batch_size": 4, **options})
    train_sft(encoder or tiny_encoder(), examples, index, settings, folder)
    found = read_movement(folder)
    assert found is not None
    return found


def test_distances_by_hand() -> None:
    before = np.array([[1, 0], [0, 1], [math.nan, 0]], dtype=np.float32)
    after = np.array([[0, 1], [0, 1], [1, 0]], dtype=np.float32)
    assert vector_distance(before, after) == pytest.approx(0.5)  # cosines 0 and 1
    assert vector_distance(before[2:], after[2:]) is None
    old = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([[4.0]])}
    new = {"a": torch.tensor([3.0, 3.0]), "b": torch.tensor([[0.0]])}
    assert weight_change(old, new) == pytest.approx(1.0)
    assert weight_change({}, {}) == 0


def test_a_model_is_where_it_was_until_its_weights_change() -> None:
    encoder = tiny_encoder()
    items = [Item.of(f"item {n}") for n in range(80)]
    start = Start(encoder, items)
    still = start.movement(encoder)
    assert (still.items, still.distance, still.weights, still.unmoved) == (27, 0, 0, True)
    with torch.no_grad():
        encoder.backbone.mix[0].weight += 1.0  # type: ignore[attr-defined]
    moved = start.movement(encoder, 0.25)
    assert moved.distance is not None
    assert moved.distance > 1e-3
    assert not moved.unmoved
    assert "of 27 training items" in moved.sentence()
    assert "25% of the steps had no gradient" in moved.sentence()


def test_a_training_says_how_far_it_moved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = trained(tmp_path, learning_rate=1e-2)
    assert found.distance is not None
    assert found.distance > 1e-4
    assert found.weights > 1e-3
    assert found.without_gradient == 0
    assert not caplog.records


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"steps": 0}, "sft.steps is 0"),
        ({"learning_rate": 1e-30}, "sft.learning_rate is too small"),
        ({"temperature": 1e30}, "no step had a gradient"),
    ],
)
def test_a_stage_that_does_not_move_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, options: dict[str, float], reason: str
) -> None:
    with caplog.at_level(logging.WARNING):
        assert trained(tmp_path, **options).unmoved
    assert reason in caplog.text


def test_steps_without_gradient_are_counted_over_a_resume(tmp_path: Path) -> None:
    metrics = tmp_path / "metrics.jsonl"
    trained(tmp_path, steps=4, save_every=2)
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines[0]["no_gradient"] = 1.0  # as if the first step had had none
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert trained(tmp_path, steps=8, save_every=2).without_gradient == pytest.approx(1 / 8)


def test_the_ranking_stage_says_it_too(tmp_path: Path) -> None:
    settings = RlSettings(steps=2, batch_size=4, group_size=6, noise=3)
    train_rl(tiny_encoder(), tiny_notes(), settings, tmp_path)
    found = read_movement(tmp_path)
    assert found is not None
    assert not found.unmoved
    assert read_movement(tmp_path / "nothing") is None


def test_a_loss_that_is_no_number_ends_the_training_with_its_step(tmp_path: Path) -> None:
    trained(tmp_path, steps=4, save_every=2)
    encoder = tiny_encoder()
    with torch.no_grad():
        encoder.backbone.words.weight.fill_(math.nan)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"loss of step 5 is nan: lower sft.*checkpoint of step 4 is kept"):
        trained(tmp_path, encoder, steps=8, save_every=2)
    assert last_checkpoint(tmp_path)[0] == 4


def test_a_gradient_that_is_no_number_never_reaches_the_weights(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    backbone = encoder.backbone
    backbone.mix[0].weight.register_hook(lambda grad: grad * math.nan)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match=r"the gradient of step 1 is nan: .* no checkpoint was written yet"):
        trained(tmp_path, encoder)
    assert all(torch.isfinite(one).all() for one in backbone.parameters())  # type: ignore[attr-defined]


def test_a_frozen_model_is_refused(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    encoder.backbone.requires_grad_(False)  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="no parameter of the model trains"):
        trained(tmp_path, encoder)
