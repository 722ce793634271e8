"""Trainings that cannot learn: refused or named before the first step."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.test_rl import collate, halves_of
from tests.training.tiny_backbone import HashedReference, items_of, tiny_encoder, tiny_examples
from tests.training.two_processes import tiny_notes

from uninote.errors import ConfigError
from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.settings import RlSettings, SftSettings
from uninote.tasks.definitions import Pair, Task
from uninote.training import rl, signal
from uninote.training.anchor import Anchor
from uninote.training.inbatch import InBatchCandidates
from uninote.training.policies import PolicyLoss
from uninote.training.rewards import Rewards
from uninote.training.rl import RlTrainer, train_rl
from uninote.training.sft import train_sft
from uninote.training.signal import require_negatives, reward_orders, tasks_without_negatives

BARE = [replace(example, negatives=(), scores=()) for example in tiny_examples()]


def without(examples: list[Example], **options: Any) -> list[Task]:
    settings = SftSettings.model_validate(options)
    index = ReferenceIndex(items_of(examples), HashedReference())
    return require_negatives(examples, InBatchCandidates(examples, index, settings), settings)


@pytest.mark.parametrize(
    ("examples", "options"),
    [
        (BARE, {"batch_size": 1}),
        (BARE, {"candidates": "own"}),
        (BARE, {"candidates": "own", "batch_size": 4, "accumulate": 4}),
        (tiny_examples(), {"batch_size": 1, "negatives_per_query": 0}),
        (tiny_examples(), {"candidates": "own", "negatives_per_query": 0}),
    ],
)
def test_settings_that_leave_no_negative_are_refused(
    examples: list[Example], options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"stage 1 cannot learn: .*raise sft.batch_size"):
        without(examples, **options)
    monkeypatch.setattr(signal, "MOST", 5)  # more examples than are compared with each other
    with pytest.raises(ConfigError, match="cannot learn"):
        without(examples, **options)
    index = ReferenceIndex(items_of(examples), HashedReference())
    with pytest.raises(ConfigError, match="cannot learn"):
        train_sft(tiny_encoder(), examples, index, SftSettings.model_validate(options), tmp_path)


@pytest.mark.parametrize(
    ("examples", "options"),
    [
        (tiny_examples(), {"batch_size": 1}),
        (tiny_examples(), {"candidates": "own"}),
        (BARE, {"batch_size": 2}),
    ],
)
def test_one_negative_is_enough(examples: list[Example], options: dict[str, Any]) -> None:
    assert without(examples, **options) == []


def test_equal_texts_and_single_examples_are_named_by_task(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def example(task: Task, query: str, positive: str, note: str) -> Example:
        return Example(Pair(task, Item.of(query), Item.of(positive), note, 0), (), (), 0.9)

    equal = [
        example(Task.OCR2I, f"query {n}", "The same." if n % 2 else "the SAME", str(n)) for n in range(6)
    ]
    alone = [example(Task.I2OCR, "query", "another", "x")]
    assert without(equal + alone) == [Task.OCR2I, Task.I2OCR]
    assert without(equal + BARE) == [Task.OCR2I]
    index = ReferenceIndex(items_of(equal), HashedReference())
    with caplog.at_level(logging.WARNING):
        train_sft(tiny_encoder(), equal, index, SftSettings(steps=2, batch_size=4), tmp_path)
    assert "no query of OCR2I has a negative" in caplog.text
    assert "did not move the model: no step had a gradient" in caplog.text


def test_of_many_examples_nothing_is_said_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "MOST", 5)
    settings = SftSettings()
    index = ReferenceIndex(items_of(BARE), HashedReference())
    assert tasks_without_negatives(BARE, InBatchCandidates(BARE, index, settings), settings) == []


@pytest.mark.parametrize(
    ("options", "orders"),
    [
        ({}, True),
        ({"penalty": 0, "base_factor": 0, "absolute": False, "relative": False}, False),
        ({"penalty": 0, "absolute": False, "relative": False}, False),  # the sum over the relevant notes
        ({"penalty": 0, "absolute": False, "relative": False, "policy": "softmax"}, True),
        ({"base_factor": 0, "absolute": False, "relative": False}, True),
        ({"penalty": 0, "base_factor": 0, "absolute": False}, True),
        ({"penalty": 0, "base_factor": 0, "relative": False}, True),
        ({"penalty": 0, "base_factor": 0, "absolute": False, "relative": False, "reward": "ndcg"}, True),
        ({"penalty": 0, "base_factor": 0, "absolute": False, "relative": False, "policy": "listwise"}, True),
    ],
)
def test_a_reward_must_prefer_some_order(options: dict[str, Any], orders: bool, tmp_path: Path) -> None:
    settings = RlSettings.model_validate(options)
    assert reward_orders(settings) is orders
    if not orders:
        with pytest.raises(ConfigError, match=r"every order has the same reward: .*rl\.reward=ndcg"):
            train_rl(tiny_encoder(), tiny_notes(), settings, tmp_path)


@pytest.mark.parametrize("skipped", [0, 1, 2])
def test_the_anchor_is_off_where_no_query_has_a_signal(skipped: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the loss with that of the policy, plus the weighted divergence unless all are skipped."""
    zeros = torch.zeros(2, 2)
    outcome = PolicyLoss(torch.tensor(7.0), Rewards(*[zeros] * 5), torch.tensor(skipped))
    monkeypatch.setattr(rl, "policy_of", lambda settings: lambda *args: outcome)
    monkeypatch.setattr(rl, "group_kl", lambda *args: torch.tensor(2.0))
    trainer: Any = RlTrainer.__new__(RlTrainer)
    trainer.settings, trainer.reference, trainer.stage_one = (
        RlSettings(kl_weight=0.5),
        Anchor(torch.nn.Linear(1, 1)),
        None,
    )
    trainer.parts, trainer.args, trainer.state = {}, Stub(seed=0), Stub(global_step=0)
    trainer.accelerator = Stub(autocast=torch.no_grad)
    trainer._cosines = lambda model, inputs, *others: (torch.rand(2, inputs["mask"].shape[1]), [])
    inputs = collate([Item.of("n")], halves_of("x", "a", "b"), halves_of("y", "c", "d"))
    assert float(trainer.compute_loss(object(), inputs)) == (7.0 if skipped == 2 else 8.0)


class Stub:
    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def test_a_ranking_without_better_and_worse_orders_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = RlSettings(steps=2, batch_size=4, group_size=6, noise=3, temperature=1e-9)
    with caplog.at_level(logging.WARNING):
        train_rl(tiny_encoder(), tiny_notes(), settings, tmp_path)
    assert "stage 2 learned no order" in caplog.text
    assert "did not move the model: no step had a gradient" in caplog.text
