"""Trainer that both stages share, on a model of two layers; the stages' own tests use it whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from uninote.encoder.capabilities import ParamGroup
from uninote.training.trainer import (
    METRICS,
    MetricsFile,
    Schedule,
    StageTrainer,
    last_checkpoint,
    training_arguments,
)

CPU = torch.device("cpu")


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.frozen = nn.Linear(3, 3)
            self.head = nn.Linear(3, 3)
            self.adapter = nn.Linear(3, 1)
        self.frozen.requires_grad_(False)

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        return [ParamGroup(list(self.head.parameters()), head_rate, 0.05)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.adapter(self.head(self.frozen(x)))
        return y


class Regression(StageTrainer):
    def compute_loss(self, model: nn.Module, inputs: Any, *args: Any, **options: Any) -> torch.Tensor:
        loss: torch.Tensor = (model(inputs["x"]) - inputs["y"]).square().mean()
        self.note(root=loss.sqrt())
        return loss


def data(count: int = 12) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {"x": torch.randn(3, generator=generator), "y": torch.randn(1, generator=generator)}
        for _ in range(count)
    ]


def build(folder: Path, *callbacks: Any, **changes: Any) -> Regression:
    schedule = Schedule(**{"steps": 8, "batch_size": 4, "learning_rate": 1e-2, "save_every": 3, **changes})
    return Regression(
        schedule=schedule,
        model=Model(),
        args=training_arguments(folder, schedule, 0, CPU, False),
        train_dataset=data(),
        callbacks=[MetricsFile(folder / METRICS), *callbacks],
    )


def weights(trainer: Regression) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]


def test_checkpoints_hold_the_trained_weights_only(tmp_path: Path) -> None:
    trainer = build(tmp_path)
    trainer.fit()
    assert sorted(p.name for p in tmp_path.glob("checkpoint-*")) == ["checkpoint-6", "checkpoint-8"]
    stored = load_file(tmp_path / "checkpoint-8" / "model.safetensors")
    assert {name.split(".")[0] for name in stored} == {"head", "adapter"}
    assert all(torch.equal(stored[name], trainer.model.state_dict()[name]) for name in stored)
    assert not trainer.model.training


def test_metrics_have_losses_and_their_parts(tmp_path: Path) -> None:
    trainer = build(tmp_path)
    trainer.fit()
    logged = lines(tmp_path)
    assert [line["step"] for line in logged] == list(range(1, 9))
    assert all(line["root"] == pytest.approx(line["loss"] ** 0.5, rel=1e-3) for line in logged)
    assert logged[-1]["loss"] < logged[0]["loss"]
    assert "train_runtime" not in (tmp_path / METRICS).read_text()


def test_logs_never_straddle_a_checkpoint(tmp_path: Path) -> None:
    for steps, save_every, expected in [(300, 50, 10), (100, 25, 5), (300, 25, 5), (300, 7, 1), (5, 50, 1)]:
        schedule = Schedule(steps, 4, 1e-3, save_every)
        arguments = training_arguments(tmp_path, schedule, 0, CPU, False)
        assert arguments.logging_steps == expected
        assert arguments.save_steps % arguments.logging_steps == 0


def test_learning_rates_and_decay_by_group(tmp_path: Path) -> None:
    trainer = build(tmp_path, learning_rate=1e-4, head_learning_rate=1e-3)
    groups = trainer.create_optimizer().param_groups
    names = {id(parameter): name for name, parameter in trainer.model.named_parameters()}
    found = {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert found == {
        "head.weight": (1e-3, 0.05),
        "head.bias": (1e-3, 0.05),
        "adapter.weight": (1e-4, 0.01),
        "adapter.bias": (1e-4, 0.0),
    }


def test_a_finished_run_is_loaded_not_trained_further(tmp_path: Path) -> None:
    first = build(tmp_path)
    first.fit()
    text = (tmp_path / METRICS).read_text()
    again = build(tmp_path)
    assert not same(weights(again), weights(first))
    again.fit()
    assert same(weights(again), weights(first))
    assert again.state.global_step == 0
    assert (tmp_path / METRICS).read_text() == text
    assert not again.model.training


def test_no_steps_no_training(tmp_path: Path) -> None:
    trainer = build(tmp_path, steps=0)
    before = weights(trainer)
    trainer.fit()
    assert same(weights(trainer), before)
    assert not list(tmp_path.glob("checkpoint-*"))


def test_last_checkpoint_removes_half_written_ones(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "nothing") == (0, None)
    for step, state in [(9, '{"global_step": 9}'), (10, '{"global_step": 10}'), (11, '{"global'), (12, None)]:
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "model.safetensors").write_bytes(b"cut")
        if state:
            (checkpoint / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == (10, str(tmp_path / "checkpoint-10"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-9"]


def test_metrics_past_the_checkpoint_and_torn_lines_are_dropped(tmp_path: Path) -> None:
    build(tmp_path, steps=3).fit()
    kept = (tmp_path / METRICS).read_text()
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 4, "loss": 99}\n{"step": 5, "lo')
    build(tmp_path, steps=6).fit()
    assert (tmp_path / METRICS).read_text().startswith(kept)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert all(line["loss"] < 99 for line in lines(tmp_path))


def test_a_new_run_in_a_used_folder_starts_a_new_metrics_file(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text('{"step": 1, "loss": 99}\n')
    build(tmp_path, steps=2).fit()
    assert [line["step"] for line in lines(tmp_path)] == [1, 2]
    assert lines(tmp_path)[0]["loss"] < 99
