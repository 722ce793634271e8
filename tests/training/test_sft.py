from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from transformers import TrainerCallback

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item, Note
from uninote.negatives import Example, ReferenceIndex, mine_from_index, pair_items
from uninote.settings import LoraSettings, NegativeSettings, SftSettings
from uninote.tasks.definitions import INSTRUCTIONS, Pair, Task
from uninote.tasks.pairs import make_pairs
from uninote.training.gradcache import ChunkedEncoder
from uninote.training.inbatch import NEGATIVES_BESIDE_BATCH
from uninote.training.sft import ExampleDataset, SftCollator, SftTrainer, train_sft
from uninote.training.trainer import Schedule, training_arguments

BATCH = SftSettings(candidates="batch", negatives_per_query=2)


class Angles:
    """A reference encoder of the plane: every text is a unit vector at a given angle in degrees."""

    def __init__(self, **degrees: int) -> None:
        self.degrees = degrees

    def encode(self, items: Sequence[Item]) -> NDArray[np.float32]:
        angles = np.deg2rad([self.degrees[str(item.parts[0])] for item in items])
        return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


class Recorder:
    """A backbone whose inputs are the items themselves."""

    uses_instructions = True

    def prepare(self, items: Sequence[Item], instruction: str = "") -> dict[str, Any]:
        return {"texts": [" ".join(item.texts) for item in items], "instruction": instruction}


def cosine(one: float, other: float) -> float:
    return math.cos(math.radians(one - other))


def collate(
    batch: Sequence[Example], rest: Sequence[Example], degrees: dict[str, int], settings: SftSettings
) -> dict[str, Any]:
    backbone: Any = Recorder()
    examples = [*batch, *rest]
    items = [i for e in examples for i in (e.pair.query, e.pair.positive, *e.negatives)]
    index = ReferenceIndex(items, Angles(**degrees))
    return SftCollator(backbone, examples, index, settings)(batch)


def example(
    task: Task, query: str, positive: str, note: str, *negatives: str, rule: str | None = None
) -> Example:
    """Score negatives 0.1, 0.2, … in order, and the positive 0.77: values that no angle has."""
    texts = ([rule] if rule else []) + list(negatives)
    counterfactual = Item.of(rule) if rule else None
    pair = Pair(task, Item.of(query), Item.of(positive), note, 0, counterfactual)
    return Example(pair, tuple(map(Item.of, texts)), tuple(0.1 * (n + 1) for n in range(len(texts))), 0.77)


def columns(inputs: dict[str, Any]) -> list[str]:
    texts: list[str] = inputs["candidates"]["chunks"][0]["texts"]
    return texts


def masked_in(inputs: dict[str, Any]) -> list[set[str]]:
    return [{t for t, on in zip(columns(inputs), row, strict=True) if on} for row in inputs["mask"].tolist()]


DEGREES = {"q1": 0, "q2": 40, "q3": 80, "p1": 10, "p2": 50, "p3": 15, "n1": 120, "n2": 150, "n3": 170}


def atomic_batch() -> list[Example]:
    return [
        example(Task.T2I, "q1", "p1", "X", "n1", "p2"),
        example(Task.T2I, "q2", "p2", "X", "n1", "n2"),
        example(Task.T2I, "q3", "p3", "Y", "n2", "n3"),
    ]


def test_own_candidates() -> None:
    inputs = collate(atomic_batch(), [], DEGREES, SftSettings(candidates="own"))
    assert columns(inputs) == ["p1", "n1", "p2", "n2", "p3", "n3"]
    assert inputs["positive"].tolist() == [0, 2, 4]
    assert inputs["mask"].tolist() == [
        [True, True, True, False, False, False],
        [False, True, True, True, False, False],
        [False, False, False, True, True, True],
    ]
    expected = [[1, 0.1, 0.2, 0, 0, 0], [0, 0.1, 1, 0.2, 0, 0], [0, 0, 0, 0.1, 1, 0.2]]
    assert torch.allclose(inputs["labels"], torch.tensor(expected))
    assert inputs["labels"].dtype == torch.float32
    queries = {"texts": ["q1", "q2", "q3"], "instruction": INSTRUCTIONS[Task.T2I]}
    assert inputs["queries"]["chunks"] == [queries]
    assert inputs["candidates"]["chunks"][0]["instruction"] == ""


def test_label_of_the_positive_and_number_of_negatives() -> None:
    settings = SftSettings(candidates="own", positive_label="reference", negatives_per_query=1)
    inputs = collate(atomic_batch(), [], DEGREES, settings)
    assert columns(inputs) == ["p1", "n1", "p2", "p3", "n2"]
    expected = [[0.77, 0.1, 0, 0, 0], [0, 0.1, 0.77, 0, 0], [0, 0, 0, 0.77, 0.1]]
    assert torch.allclose(inputs["labels"], torch.tensor(expected))


def test_batch_candidates_of_an_atomic_task() -> None:
    """Place p1 and p3 5 degrees apart (cosine 0.996): neither is a negative of the other's query.

    Another picture of the same note is one.
    """
    inputs = collate(atomic_batch(), [], DEGREES, BATCH)
    every = {"p1", "n1", "p2", "n2", "p3", "n3"}
    assert masked_in(inputs) == [every - {"p3"}, every, every - {"p1"}]
    expected = [[cosine(DEGREES[q], DEGREES[c]) for c in columns(inputs)] for q in ("q1", "q2", "q3")]
    own = {(0, "p1"): 1, (0, "n1"): 0.1, (0, "p2"): 0.2, (1, "p2"): 1, (1, "n1"): 0.1, (1, "n2"): 0.2}
    for (row, text), score in {**own, (2, "p3"): 1, (2, "n2"): 0.1, (2, "n3"): 0.2}.items():
        expected[row][columns(inputs).index(text)] = score
    assert torch.allclose(inputs["labels"], torch.tensor(expected), atol=1e-6)


def test_few_mined_negatives_join_a_batch_by_default() -> None:
    batch = [example(Task.T2I, "q1", "p1", "X", "n1", "n2", "n3"), example(Task.T2I, "q2", "p2", "Y")]
    few = ["n1", "n2", "n3"][:NEGATIVES_BESIDE_BATCH]
    assert columns(collate(batch, [], DEGREES, SftSettings())) == ["p1", *few, "p2"]
    own = collate(batch, [], DEGREES, SftSettings(candidates="own"))
    assert columns(own) == ["p1", "n1", "n2", "n3", "p2"]


def test_candidates_of_the_querys_own_note_are_masked_where_membership_decides() -> None:
    """Mask x…, the versions of note X: positives and rule negatives, also of examples outside the batch."""
    names = ["q1", "q2", "q3", "q4", "x1", "x2", "x3", "x1-", "x2-", "y", "z"]
    degrees = {name: 15 * n for n, name in enumerate(names)}
    batch = [
        example(Task.T2NOTE, "q1", "x1", "X", "z", rule="x1-"),
        example(Task.T2NOTE, "q2", "x2", "X", "y", rule="x2-"),
        example(Task.T2NOTE, "q3", "y", "Y", "x3", "z"),
    ]
    rest = [example(Task.T2NOTE, "q4", "x3", "X"), example(Task.I2NOTE, "q4", "z", "Z")]
    inputs = collate(batch, rest, degrees, BATCH)
    foreign = {"y", "z"}
    assert masked_in(inputs) == [
        foreign | {"x1", "x1-"},
        foreign | {"x2", "x2-"},
        {"y", "z", "x1", "x1-", "x2", "x2-", "x3"},
    ]


def test_other_positives_of_the_same_query_are_masked() -> None:
    degrees = {"sale": 0, "q": 10, "x": 50, "y": 90, "z": 130, "n": 170}
    batch = [
        example(Task.OCR2I, "sale", "x", "X", "n"),
        example(Task.OCR2I, "q", "z", "Z", "y"),
    ]
    rest = [example(Task.OCR2I, "sale", "y", "Y")]
    inputs = collate(batch, rest, degrees, BATCH)
    assert masked_in(inputs) == [{"x", "n", "z"}, {"x", "n", "z", "y"}]
    twins = collate([batch[0], *rest], [], degrees, BATCH)
    assert masked_in(twins) == [{"x", "n"}, {"y", "n"}]


# --- training the compact backbone ---


@pytest.fixture(scope="session")
def mined(untrained: Encoder, notes: list[Note]) -> tuple[list[Example], ReferenceIndex]:
    pairs = [pair for task in (Task.T2I, Task.NOTE2T) for pair in make_pairs(notes[:5], task)]
    index = ReferenceIndex(pair_items(pairs), untrained)
    return mine_from_index(pairs, index, NegativeSettings(per_query=2), 0), index


def trainer_of(
    encoder: Encoder, mined: tuple[list[Example], ReferenceIndex], settings: SftSettings, folder: Path
) -> SftTrainer:
    schedule = Schedule(1, settings.batch_size, 1e-3, 1)
    module: Any = encoder.backbone
    return SftTrainer(
        schedule=schedule,
        settings=settings,
        dims=encoder.dims,
        model=ChunkedEncoder(module),
        args=training_arguments(folder, schedule, 0, encoder.device, False),
        train_dataset=ExampleDataset(mined[0]),
        data_collator=SftCollator(encoder.backbone, mined[0], mined[1], settings),
    )


def test_loss_is_eq_6_to_8_summed_over_the_dims_of_eq_14(
    fresh: Callable[[], Encoder], mined: tuple[list[Example], ReferenceIndex], tmp_path: Path
) -> None:
    encoder, settings = fresh(), SftSettings(candidates="own", temperature=0.1, batch_size=4)
    trainer = trainer_of(encoder, mined, settings, tmp_path)
    batch = [e for e in mined[0] if e.pair.task is Task.NOTE2T][:4]
    inputs = trainer.data_collator(batch)
    loss = float(trainer.compute_loss(trainer.model, inputs).detach())

    def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        powers = np.exp(scores / 0.1)
        return np.asarray(powers / powers.sum())

    expected = 0.0
    for dim in (64, 128, 256, 384):
        for e in batch:
            query = encoder.encode([e.pair.query], dim=dim)[0].astype(float)
            candidates = encoder.encode([e.pair.positive, *e.negatives], dim=dim).astype(float)
            p, q = softmax(candidates @ query), softmax(np.array([1.0, *e.scores]))
            expected += float(0.5 * p @ np.log(p / q) + 0.5 * q @ np.log(q / p)) / len(batch)
    assert loss == pytest.approx(expected, rel=1e-4)
    assert loss > 0.01


def test_every_batch_of_the_loader_has_one_task(
    fresh: Callable[[], Encoder], mined: tuple[list[Example], ReferenceIndex], tmp_path: Path
) -> None:
    trainer = trainer_of(fresh(), mined, SftSettings(batch_size=4), tmp_path)
    trainer.data_collator = lambda examples: {"tasks": [e.pair.task for e in examples]}
    batches = [batch["tasks"] for batch in trainer.get_train_dataloader()]
    assert len(batches) == 4
    assert all(len(batch) == 4 and len(set(batch)) == 1 for batch in batches)
    assert {batch[0] for batch in batches} == {Task.T2I, Task.NOTE2T}


def trained(encoder: Encoder) -> dict[str, torch.Tensor]:
    module: Any = encoder.backbone
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["symmetric_kl", "infonce"])
def test_loss_falls(
    fresh: Callable[[], Encoder],
    mined: tuple[list[Example], ReferenceIndex],
    tmp_path: Path,
    objective: str,
) -> None:
    settings = SftSettings.model_validate(
        {"objective": objective, "steps": 24, "batch_size": 5, "head_learning_rate": 2e-3, "save_every": 50}
    )
    encoder = fresh()
    probe = trainer_of(encoder, mined, settings, tmp_path / "probe")
    inputs = probe.data_collator([e for e in mined[0] if e.pair.task is Task.T2I])
    before = float(probe.compute_loss(probe.model, inputs).detach())
    assert train_sft(encoder, *mined, settings, tmp_path / "run") is encoder
    after = float(probe.compute_loss(probe.model, inputs).detach())
    assert after < 0.8 * before
    module: Any = encoder.backbone
    assert not module.training


class Killed(Exception):
    pass


class Killer(TrainerCallback):  # type: ignore[misc]
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def test_every_weight_of_the_aggregator_trains_and_no_tower_runs_in_a_step(
    fresh: Callable[[], Encoder],
    mined: tuple[list[Example], ReferenceIndex],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = fresh()
    backbone: Any = encoder.backbone
    original, centre = trained(encoder), backbone.aggregator.centre.clone()
    words, colours = backbone.towers.texts[0], backbone.towers.vision
    runs: list[tuple[int, int]] = []

    class Steps(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            runs.append((len(words.read), colours.seen))

    settings = SftSettings(steps=6, batch_size=4, warmup_ratio=0)
    assert train_sft(encoder, *mined, settings, tmp_path, callbacks=[Steps()]) is encoder
    moved = {name for name, tensor in trained(encoder).items() if not torch.equal(tensor, original[name])}
    assert moved == original.keys()
    assert torch.equal(backbone.aggregator.centre, centre)
    assert len(set(runs)) == 1


@pytest.fixture
def starts(fresh: Callable[[], Encoder], tiny_qwen: Callable[..., Path]) -> dict[str, Callable[[], Encoder]]:
    def qwen() -> Encoder:
        return Encoder.pretrained(tiny_qwen(), dims=(16, 64), max_tokens=256, device="cpu")

    return {"compact": fresh, "qwen-vl": qwen}


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["compact", "qwen-vl"])
def test_killed_and_resumed_ends_with_the_same_bits(
    starts: dict[str, Callable[[], Encoder]],
    mined: tuple[list[Example], ReferenceIndex],
    tmp_path: Path,
    backbone: str,
) -> None:
    """Kill a run inside its second epoch: 20 examples make 4 batches, and the checkpoint is at step 6.

    Dropout is on: that of the towers' outputs, or that of the adapters.
    """
    settings = SftSettings(
        steps=8, batch_size=4, save_every=3, lora=LoraSettings(rank=2, alpha=4, dropout=0.1)
    )
    start = starts[backbone]
    whole = trained(train_sft(start(), *mined, settings, tmp_path / "whole", seed=3))

    with pytest.raises(Killed):
        train_sft(start(), *mined, settings, tmp_path / "cut", seed=3, callbacks=[Killer(7)])
    half_written = tmp_path / "cut" / "checkpoint-7"
    half_written.mkdir()
    (half_written / "model.safetensors").write_bytes(b"cut")
    torch.rand(5)  # another state of the global generator
    resumed = trained(train_sft(start(), *mined, settings, tmp_path / "cut", seed=3))

    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    lines = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "cut")]
    assert lines[0] == lines[1]
    assert [json.loads(line)["step"] for line in lines[0].splitlines()] == list(range(1, 9))
    assert not half_written.exists()

    stored = load_file(tmp_path / "cut" / "checkpoint-8" / "model.safetensors")
    assert stored.keys() == {f"backbone.{name}" for name in resumed}
    assert all("aggregator" in name or "lora_" in name for name in stored)


def test_nothing_to_train_on(
    fresh: Callable[[], Encoder], mined: tuple[list[Example], ReferenceIndex], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="no training examples"):
        train_sft(fresh(), [], mined[1], SftSettings(), tmp_path)
