"""Snapshots: the trained weights of the asked steps, equal to those of a run that stops there."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.training.test_trainer import build

from uninote.training.snapshots import Snapshots, load_weights


def test_snapshots_are_the_weights_of_their_steps(tmp_path: Path) -> None:
    trainer = build(tmp_path, steps=8)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    kept = Snapshots(trainer.model, every=3)
    trainer.add_callback(kept)
    trainer.fit()
    assert list(kept.weights) == [0, 3, 6, 8]
    assert {name.split(".")[0] for name in kept.weights[0]} == {"head", "adapter"}
    after = trainer.model.state_dict()
    assert all(torch.equal(tensor, before[name]) for name, tensor in kept.weights[0].items())
    assert all(torch.equal(tensor, after[name]) for name, tensor in kept.weights[8].items())
    assert not torch.equal(kept.weights[3]["head.weight"], kept.weights[6]["head.weight"])

    load_weights(trainer.model, kept.weights[0])
    now = trainer.model.state_dict()
    assert all(torch.equal(now[name], before[name]) for name in before)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(KeyError):
        load_weights(torch.nn.Linear(1, 1), {"other": torch.zeros(1)})
