"""Joint training: batches of stage 1 in the steps of stage 2."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from uninote.encoder import Encoder
from uninote.items import Note
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.joint import StageOne, StageOneBatches
from uninote.training.rl import train_rl


@pytest.fixture
def stage(fresh: Callable[[], Encoder], notes: list[Note]) -> StageOne:
    pairs = [pair for task in (Task.I2T, Task.T2NOTE) for pair in make_pairs(notes, task)]
    index = ReferenceIndex(pair_items(pairs), fresh())
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=1), 0)
    return StageOne(examples, index, SftSettings(batch_size=5))


def test_a_batch_is_of_one_task_and_drawn_anew(fresh: Callable[[], Encoder], stage: StageOne) -> None:
    batches = StageOneBatches(fresh().backbone, stage)
    made = [batches(random.Random(seed)) for seed in range(6)]
    assert all(len(batch["positive"]) == 5 for batch in made)
    again = batches(random.Random(3))
    assert torch.equal(again["labels"], made[3]["labels"])
    assert len({tuple(batch["labels"].flatten().tolist()) for batch in made}) > 2


def test_its_loss_joins_that_of_the_rankings(
    fresh: Callable[[], Encoder], notes: list[Note], stage: StageOne, tmp_path: Path
) -> None:
    lines = {}
    for mix in (0.0, 1.0, 3.0):
        settings = RlSettings(steps=1, batch_size=4, noise=2, group_size=4, mix=mix, kl_weight=0)
        train_rl(fresh(), notes, settings, tmp_path / str(mix), stage_one=stage)
        lines[mix] = json.loads((tmp_path / str(mix) / "metrics.jsonl").read_text().splitlines()[0])
    assert "stage_one" not in lines[0.0]
    for mix in (1.0, 3.0):
        expected = lines[0.0]["loss"] + mix * lines[mix]["stage_one"]
        assert lines[mix]["loss"] == pytest.approx(expected, rel=1e-4)
