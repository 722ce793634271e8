"""Speed of one step of stage 2 against the same step with every candidate of every query encoded separately.

    python benchmarks/rl_step.py --notes path/to/notes.jsonl

Notes with many pictures on a random Qwen3-VL of small shape (`random_qwen.py`), with the KL anchor, and with
GradCache at one row at a time everywhere, so no side pads. Policy, recomputation, backward pass, anchor and
AdamW are timed; decoding pictures, which runs in the background, is not. Three sides take turns:

* uninote: `RlCollator` and `RlTrainer` as they are. The nested candidates of a query share one pass, the
  noise is shared by the batch, and a picture goes through the vision tower once a step.
* separately: the list of each query (its nested candidates and as many noise notes), item by item, each with
  its pictures.
* prefixes apart: uninote with `rl.shared_prefixes: false`, which shows the gain by shared passes alone.

Before anything is timed, the three sides must return the same cosines.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import torch
from random_qwen import SHAPES, build_qwen
from rounds import RESULTS, claim, median, ratio, take_turns

from uninote import Encoder, Item, Note, SkipReport, load_settings, read_notes
from uninote.encoder.protocol import Inputs
from uninote.settings import LoraSettings, RlSettings
from uninote.tasks.definitions import INSTRUCTIONS, Task
from uninote.training.anchor import Anchor
from uninote.training.gradcache import ChunkedEncoder, Side, encode_sides
from uninote.training.objectives import prefix_cosines
from uninote.training.rl import RlTrainer, rl_halves
from uninote.training.rl_batches import HalvesDataset, RlCollator
from uninote.training.trainer import Schedule, training_arguments


class SeparateCollator(RlCollator):
    """Collator for separate encoding: it adds, per query, its own side and that of its whole list."""

    def __call__(self, batch: Any) -> dict[str, Any]:
        inputs = super().__call__(batch)
        instruction = INSTRUCTIONS[Task.NOTE2NOTE]
        sides: list[Side] = []
        columns = []
        # The same columns as the shared batch: relevant notes query by query, then the noise.
        unique = {item.key: item for _, half in batch for item in half.relevant}
        noise = [item for item in self.drawn(batch) if item.key not in unique]
        assert len(unique) + len(noise) == inputs["mask"].shape[1]
        place = {key: n for n, key in enumerate([*unique, *(item.key for item in noise)])}
        for _, half in batch:
            listed = [*half.relevant, *noise]
            sides += [self.side([half.query], instruction), self.side(listed, "")]
            columns.append([place[item.key] for item in listed])
        return inputs | {"separate": sides, "columns": columns}

    def drawn(self, batch: Any) -> list[Item]:
        """Return the noise that `RlCollator` draws for this batch, by calling it."""
        seen: list[Item] = []
        unsorted = self.settings.model_copy(update={"chunk_size": None})
        RlCollator(_Spy(self.backbone, seen), self.noise, unsorted)(batch)  # type: ignore[arg-type]
        relevant = {item.key for _, half in batch for item in (*half.relevant, half.query)}
        return list({item.key: item for item in seen if item.key not in relevant}.values())

    def side(self, items: list[Item], instruction: str) -> Side:
        chunks = [self.backbone.prepare([item], instruction) for item in items]
        return {"chunks": chunks, "height": len(items), "rows": torch.arange(len(items)), "pictures": None}


class _Spy:
    """Backbone that only records the items it is asked for."""

    uses_instructions = True

    def __init__(self, backbone: Any, seen: list[Item]) -> None:
        self.backbone, self.seen = backbone, seen

    def cost(self, item: Item, instruction: str = "") -> int:
        return int(self.backbone.cost(item, instruction))

    def prepare(self, items: Any, instruction: str = "") -> Inputs:
        self.seen += items
        return {}


class SeparateTrainer(RlTrainer):
    """Cosines from one pass per item; the rest of the step is the same code."""

    def _cosines(
        self, model: Any, inputs: dict[str, Any], *others: Side
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        encoded = encode_sides(model, inputs["separate"], self.shard)
        rows = []
        for queries, candidates, columns in zip(encoded[::2], encoded[1::2], inputs["columns"], strict=True):
            row = torch.full((inputs["mask"].shape[1],), -1.0)
            rows.append(
                row.index_put((torch.tensor(columns),), prefix_cosines(queries, candidates, self.dims[-1])[0])
            )
        return torch.stack(rows), []


def unseen(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs whose pictures pass the tower again, as those of another batch would."""
    for side in ("queries", "candidates"):
        if inputs[side]["pictures"] is not None:
            inputs[side]["pictures"].features = None
    return inputs


def shortened(note: Note, chars: int) -> Note:
    return dataclasses.replace(note, body=note.body[:chars])


def build(folder: Path, shape: str, notes: list[Note], pixels: int) -> Encoder:
    """Build a model with random weights, and adapters that already change vectors."""
    build_qwen(folder, shape, (note.body for note in notes[::4]))
    encoder = Encoder.pretrained(folder, dims=(64, SHAPES[shape].width), device="cpu", picture_pixels=pixels)
    encoder.backbone.add_lora(16, 32, 0.0)
    module: Any = encoder.backbone
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.02)
    return encoder


class Sides:
    """The three ways of one step, on the same batches, model and settings."""

    def __init__(
        self, encoder: Encoder, noise: list[Item], batches: list[Any], settings: RlSettings, space: Path
    ) -> None:
        backbone: Any = encoder.backbone
        model = ChunkedEncoder(backbone, recompute=True)
        anchor = Anchor(model)
        schedule = Schedule(1, settings.batch_size, 1e-6, 1)
        self.trainers: dict[str, RlTrainer] = {}
        self.inputs: dict[str, list[dict[str, Any]]] = {}
        for name, kind, collator, shared in (
            ("uninote", RlTrainer, RlCollator, True),
            ("separately", SeparateTrainer, SeparateCollator, True),
            ("prefixes apart", RlTrainer, RlCollator, False),
        ):
            chosen = settings.model_copy(update={"shared_prefixes": shared})
            self.trainers[name] = kind(
                schedule=schedule,
                settings=chosen,
                dims=encoder.dims,
                reference=anchor,
                model=model,
                args=training_arguments(space / "run", schedule, 0, encoder.device, False),
                train_dataset=HalvesDataset([half for batch in batches for _, half in batch]),
            )
            self.trainers[name].create_optimizer()
            collate = collator(backbone, noise, chosen)
            self.inputs[name] = [collate(batch) for batch in batches]
        self.turns = dict.fromkeys(self.trainers, 0)

    def check(self) -> None:
        """Raise AssertionError unless all variants return the cosines of separate encoding."""
        with torch.no_grad():
            found = {
                name: trainer._cosines(trainer.model, unseen(self.inputs[name][0]))[0]
                for name, trainer in self.trainers.items()
            }
        listed = found["separately"] > -1
        for name, cosines in found.items():
            worst = float((cosines - found["separately"])[listed].abs().max())
            print(f"{name}: cosines within {worst:.1e} of separate encoding", flush=True)
            assert worst < 1e-3

    def step(self, name: str) -> None:
        trainer = self.trainers[name]
        inputs = unseen(self.inputs[name][self.turns[name] % len(self.inputs[name])])
        self.turns[name] += 1
        trainer.model.train()
        trainer.compute_loss(trainer.model, inputs).backward()
        assert trainer.optimizer is not None
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()

    def tokens(self, name: str) -> float:
        """Count the tokens of the language model in a forward pass of a step, on average."""
        counts = [
            sum(chunk["ids"].numel() for side in sides for chunk in side["chunks"])
            for inputs in self.inputs[name]
            for sides in [inputs.get("separate") or [inputs["queries"], inputs["candidates"]]]
        ]
        return sum(counts) / len(counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument(
        "--batch", type=int, default=8, help="queries of a step; 8 is the default of training"
    )
    parser.add_argument("--pictures", type=int, default=8, help="pictures a note has at least")
    parser.add_argument("--pixels", type=int, default=65_536, help="largest area of a picture")
    parser.add_argument("--chars", type=int, default=800, help="length at which bodies are cut")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    settings = RlSettings(batch_size=arguments.batch, chunk_size=1, lora=LoraSettings(rank=16))
    notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
    notes = [shortened(note, arguments.chars) for note in notes]
    rich = [note for note in notes if len({p.digest for p in note.pictures}) >= arguments.pictures]
    halves = list(enumerate(rl_halves(rich, settings, 0)))
    batches = [
        halves[n * arguments.batch : (n + 1) * arguments.batch]
        for n in range(min(arguments.rounds, len(halves) // arguments.batch))
    ]
    if not batches:
        parser.error(f"too few notes have {arguments.pictures} pictures: lower --pictures or --batch")

    with tempfile.TemporaryDirectory() as space:
        encoder = build(Path(space) / "model", arguments.shape, notes, arguments.pixels)
        sides = Sides(encoder, [note.item() for note in notes], batches, settings, Path(space))
        sides.check()
        times = take_turns(
            {name: lambda n=name: sides.step(n) for name in sides.trainers}, arguments.rounds, warm=0
        )
    for name, taken in times.items():
        print(f"{name:15} {median(taken):7.2f} s a step, {sides.tokens(name):8.0f} tokens")
    nested = sum(len(half.relevant) for batch in batches for _, half in batch)
    nested_each = nested / (len(batches) * arguments.batch)
    where = (
        f"random Qwen3-VL ({arguments.shape}), batches of {arguments.batch} notes with {arguments.pictures} "
        f"or more pictures, {nested_each:.1f} nested and {settings.noise} noise notes a query"
    )
    command = f"python benchmarks/rl_step.py --notes notes.jsonl --shape {arguments.shape}"
    command += f" --batch {arguments.batch} --rounds {arguments.rounds}"
    for name, against, what, goal in (
        ("rl-step", "separately", "encoding every candidate separately", 5.0),
        ("rl-step-prefixes-alone", "prefixes apart", "the same step without shared prefixes", None),
    ):
        value, interval = ratio(times[against], times["uninote"])
        text = f"An RL step is so many times as fast as {what}; {where}"
        claim(name, text, value, command, folder=arguments.results, goal=goal, interval=interval)


if __name__ == "__main__":
    main()
