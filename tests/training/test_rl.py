from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerCallback

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item, Note, Picture
from uninote.settings import RlSettings
from uninote.tasks.definitions import INSTRUCTIONS, Task
from uninote.tasks.halves import Halves
from uninote.training import rl
from uninote.training.objectives import prefix_cosines
from uninote.training.rewards import ranking_rewards
from uninote.training.rl import RlTrainer, rl_halves, train_rl
from uninote.training.rl_batches import RlCollator
from uninote.training.rl_groups import top_group


class Recorder:
    """A backbone whose inputs are the items themselves."""

    uses_instructions = True

    def prepare(self, items: Sequence[Item], instruction: str = "") -> dict[str, Any]:
        return {"items": list(items), "instruction": instruction}


def picture(name: str) -> Picture:
    return Picture(name)


def halves_of(name: str, a: str, b: str) -> Halves:
    """Make halves with one picture each: L_rel = [N_B + a, N_B]."""
    query = Item.of(f"{name} query", picture(a))
    rest = (f"{name} rest", picture(b))
    return Halves(query, (Item.of(*rest, picture(a)), Item.of(*rest)))


def collate(noise: Sequence[Item], *halves: Halves, count: int = 8) -> dict[str, Any]:
    backbone: Any = Recorder()
    return RlCollator(backbone, noise, RlSettings(noise=count))(list(enumerate(halves)))


def items_of(inputs: dict[str, Any]) -> list[Item]:
    items: list[Item] = inputs["candidates"]["chunks"][0]["items"]
    return items


def test_candidates_positions_and_relevance() -> None:
    x, y = halves_of("x", "a", "b"), halves_of("y", "c", "d")
    noise = [Item.of("n1", picture("e")), Item.of("n2"), Item.of("n3", picture("b")), Item.of("n4")]
    inputs = collate(noise, x, y)
    items = items_of(inputs)
    assert items[:4] == [*x.relevant, *y.relevant]
    assert set(items[4:]) == {noise[0], noise[1], noise[3]}  # n3 shows a picture of x
    assert inputs["relevant"].tolist() == [[True] * 2 + [False] * 5, [False] * 2 + [True] * 2 + [False] * 3]
    assert inputs["positions"].tolist() == [[1, 2, 3, 3, 3, 3, 3], [3, 3, 1, 2, 3, 3, 3]]
    assert inputs["mask"].all()
    queries = {"items": [x.query, y.query], "instruction": INSTRUCTIONS[Task.NOTE2NOTE]}
    assert inputs["queries"]["chunks"] == [queries]
    assert inputs["candidates"]["chunks"][0]["instruction"] == ""


def test_notes_that_share_a_picture_are_not_each_others_noise() -> None:
    x, y, z = halves_of("x", "a", "b"), halves_of("y", "a", "d"), halves_of("z", "e", "f")
    inputs = collate([Item.of("n")], x, y, z)
    # y's bare half shows only its own picture d: it has nothing in common with x.
    assert inputs["mask"].int().tolist() == [
        [1, 1, 0, 1, 1, 1, 1],
        [0, 1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 1, 1],
    ]


def test_noise_is_bounded_and_the_same_for_the_same_batch() -> None:
    x, y = halves_of("x", "a", "b"), halves_of("y", "c", "d")
    noise = [Item.of(f"n{i}") for i in range(40)]
    first, again = collate(noise, x, y, count=5), collate(noise, x, y, count=5)
    assert len(items_of(first)) == 4 + 5
    assert items_of(first) == items_of(again)
    backbone: Any = Recorder()
    other = RlCollator(backbone, noise, RlSettings(noise=5))([(7, x), (8, y)])
    assert items_of(other) != items_of(first)


def settings_of(**changes: Any) -> RlSettings:
    plain = {"steps": 8, "batch_size": 4, "group_size": 12, "noise": 3, "save_every": 50}
    return RlSettings.model_validate({**plain, "learning_rate": 2e-3, **changes})


def mean_reward(encoder: Encoder, notes: list[Note], settings: RlSettings) -> float:
    """Compute the mean reward of the greedy ranking on one batch of all notes, without the trainer."""
    halves = rl_halves(notes, settings, 0)
    collator = RlCollator(encoder.backbone, [note.item() for note in notes], settings)
    inputs = collator(list(enumerate(halves)))
    with torch.inference_mode():
        queries, candidates = (
            encoder.backbone(**inputs[side]["chunks"][0]) for side in ("queries", "candidates")
        )
        cosines = prefix_cosines(queries, candidates, encoder.backbone.width)
        group = top_group(cosines, inputs["positions"], inputs["relevant"], 12, inputs["mask"])
        rewards = ranking_rewards(group.positions, group.relevant, inputs["relevant"].sum(-1))
    return float(rewards.total.mean())


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[RlTrainer]:
    """The trainers that were made."""
    seen: list[RlTrainer] = []

    class Spy(RlTrainer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            seen.append(self)

    monkeypatch.setattr(rl, "RlTrainer", Spy)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["softmax", "plackett_luce"])
def test_training_raises_the_reward(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path, trainers: list[RlTrainer], policy: str
) -> None:
    settings, encoder = settings_of(policy=policy, steps=120, learning_rate=1e-3), fresh()
    before = mean_reward(encoder, notes, settings)
    untouched = {name: tensor.clone() for name, tensor in encoder.backbone.state_dict().items()}  # type: ignore[attr-defined]
    assert train_rl(encoder, notes, settings, tmp_path) is encoder
    assert mean_reward(encoder, notes, settings) > before + 0.5
    logged = lines(tmp_path)
    assert logged[0]["kl"] == pytest.approx(0, abs=1e-5)
    assert logged[-1]["kl"] > 1e-3
    assert {"reward", "penalty", "relevant_in_group", "skipped", "loss"} <= logged[0].keys()
    assert all(0 < line["relevant_in_group"] <= 1 and line["penalty"] <= 0 for line in logged)
    reference: Any = trainers[0].reference
    with reference as frozen:
        held = dict(frozen.backbone.named_parameters())
        assert all(torch.equal(tensor, untouched[name]) for name, tensor in held.items())


def test_without_the_anchor_there_is_no_second_model(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path, trainers: list[RlTrainer]
) -> None:
    train_rl(fresh(), notes, settings_of(kl_weight=0, steps=1), tmp_path)
    assert [trainer.reference for trainer in trainers] == [None]
    assert "kl" not in lines(tmp_path)[0]


class Killed(Exception):
    pass


class Killer(TrainerCallback):  # type: ignore[misc]
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 4:
            raise Killed


def trained(encoder: Encoder) -> dict[str, torch.Tensor]:
    module: Any = encoder.backbone
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


@pytest.mark.slow
def test_killed_and_resumed_ends_with_the_same_bits(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path
) -> None:
    """Kill a run inside its second epoch: 8 notes make 2 batches an epoch, and the checkpoint is at step 3.

    Plackett-Luce draws rankings, so the samples must be the same too.
    """
    settings = settings_of(policy="plackett_luce", steps=5, save_every=3)
    run = partial(train_rl, notes=notes, settings=settings, seed=2)
    start = fresh()
    whole = trained(run(start, folder=tmp_path / "whole"))
    with pytest.raises(Killed):
        run(fresh(), folder=tmp_path / "cut", callbacks=[Killer()])
    torch.rand(5)  # another state of the global generator
    resumed = trained(run(fresh(), folder=tmp_path / "cut"))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert lines(tmp_path / "whole") == lines(tmp_path / "cut")
    before = trained(fresh())
    assert any(not torch.equal(whole[name], tensor) for name, tensor in before.items())


def test_too_few_notes_with_two_pictures(
    fresh: Callable[[], Encoder], notes: list[Note], tmp_path: Path
) -> None:
    single = [note.with_pictures(note.pictures[:1]) for note in notes]
    with pytest.raises(ModelError, match=r"at least 4 notes.*there are 3.*rl\.batch_size"):
        train_rl(fresh(), [*notes[:3], *single[3:]], settings_of(), tmp_path)


def test_parts_rank_their_note_above_the_note_without_them() -> None:
    words = {"title": "The harbour", "body": "Ships come and go."}
    albums = [
        Note(
            f"n{k}",
            pictures=tuple(Picture(f"{k}{i}", description=f"view {k} {i}") for i in range(2)),
            **words,
        )
        for k in range(3)
    ]
    halves = rl_halves(albums, RlSettings(tasks=("I2Note", "T2Note", "Note2Note")), 0)
    assert [half.task for half in halves] == [Task.I2NOTE] * 3 + [Task.T2NOTE] * 3 + [Task.NOTE2NOTE] * 3
    for half, note in zip(halves, albums, strict=False):
        whole, rest = half.relevant
        asked = half.query.pictures[0]
        assert asked not in whole.pictures + rest.pictures
        assert asked.description in whole.texts
        assert len(rest.pictures) == len(note.pictures) - 1
    inputs = collate([], halves[0], halves[1])
    assert inputs["queries"]["chunks"][0]["instruction"] == INSTRUCTIONS[Task.I2NOTE]
    assert inputs["positions"].tolist() == [[1, 2, 3, 3], [3, 3, 1, 2]]
