"""Speed of packed batches of Qwen-VL against padded ones: encoding, a step of stage 1 and one of stage 2.

    python benchmarks/packing.py --notes path/to/notes.jsonl

Notes of 1 to 12 pictures and their titles, on a random Qwen3-VL of small shape (`random_qwen.py`). The other
side, `padded_rows.py`, is at its best: items sorted by length, batches within the same token budget. Both
sides share all other code. Their vectors, losses and cosines must be equal before anything is timed.

Encoding is timed as a whole (decoding and vision tower, in which neither side pads, included) and for the
language model alone. Of the training steps decoding is not timed.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from padded_rows import PaddedBackbone
from random_qwen import SHAPES, build_qwen
from rl_step import unseen
from rounds import RESULTS, claim, ratio, take_turns
from sft_sides import LORA, Ours, draw_batches

from uninote import Encoder, Item, Note, SkipReport, load_settings, read_notes
from uninote.encoder.batching import token_batches
from uninote.encoder.capabilities import packs
from uninote.encoder.protocol import Inputs
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.settings import QwenSettings
from uninote.settings import RlSettings, SftSettings
from uninote.training.gather import Shard
from uninote.training.gradcache import encode_sides
from uninote.training.objectives import prefix_cosines
from uninote.training.rl import rl_halves
from uninote.training.rl_batches import RlCollator


class Budgeted(Encoder):
    """Encoder with a token budget of this run, in place of that for a CPU."""

    budget = 0

    @property
    def token_budget(self) -> int:
        return self.budget or super().token_budget


class Side:
    """One kind of batches: encoding, and steps on batches that are collated beforehand."""

    def __init__(self, kind: type[QwenVLBackbone], base: Path, arguments: argparse.Namespace) -> None:
        settings = QwenSettings(
            model=str(base),
            dims=(32, 64, SHAPES[arguments.shape].width),
            device="cpu",
            picture_pixels=arguments.pixels,
            note_pixels=12 * arguments.pixels,
        )
        self.backbone = kind(base, settings)
        self.encoder = Budgeted(self.backbone, settings)
        self.encoder.budget = arguments.budget
        self.turn = 0

    def prepare(self, items: list[Item], notes: list[Note], arguments: argparse.Namespace) -> None:
        """Add adapters and collate all batches; those of encoding with their vision features."""
        budget, size, steps = self.encoder.token_budget, arguments.batch, arguments.rounds + 1
        costs = [self.backbone.cost(item) for item in items]
        self.inputs: list[Inputs] = []
        for batch in token_batches(costs, budget, packed=packs(self.backbone)):
            (inputs,), shared = self.backbone.prepare_step([([[items[n]] for n in batch], "")])
            with torch.no_grad():
                self.inputs.append(inputs | ({"features": self.backbone.see(**shared)} if shared else {}))
        torch.manual_seed(1)
        self.backbone.add_lora(*LORA.values())
        batches = draw_batches(notes, size, steps)
        settings = SftSettings(objective="infonce", temperature=0.05, chunk_size=arguments.chunk or None)
        self.trained = Ours(self.encoder, [e for batch in batches for e in batch], settings)
        self.sft = [self.trained.collate(batch) for batch in batches]
        self.trained.collate = lambda inputs: inputs  # type: ignore[assignment]
        rl = RlSettings(batch_size=size, chunk_size=arguments.chunk or None)
        collate = RlCollator(self.backbone, [note.item() for note in notes], rl, token_budget=budget)
        halves = list(enumerate(rl_halves(notes, rl, 0)))
        self.rl = [collate(halves[n * size : (n + 1) * size]) for n in range(steps)]

    def encode(self, items: list[Item]) -> Any:
        return self.encoder.encode(items)

    def read(self) -> None:
        """Run the language model on all batches of encoding."""
        with torch.inference_mode():
            for inputs in self.inputs:
                self.backbone(**inputs)

    def drawn(self, steps: list[dict[str, Any]]) -> dict[str, Any]:
        self.turn += 1
        return unseen(steps[self.turn % len(steps)])

    def step(self) -> None:
        self.trained.step(self.drawn(self.sft))  # type: ignore[arg-type]

    def cosines(self, inputs: dict[str, Any]) -> torch.Tensor:
        queries, candidates = encode_sides(
            self.trained.model, [inputs["queries"], inputs["candidates"]], Shard()
        )
        return prefix_cosines(queries, candidates, self.encoder.dims[-1])

    def step_two(self) -> None:
        """Encode queries and nested candidates, and go back: the part of a step that packing touches."""
        self.cosines(self.drawn(self.rl)).square().sum().backward()  # type: ignore[no-untyped-call]
        self.trained.optimiser.zero_grad()

    def columns(self, name: str) -> int:
        """Count the columns of all batches of a kind of work, those of padding included."""
        steps = {"sft": self.sft, "rl": self.rl}.get(name, [])
        chunks = [
            chunk for step in steps for side in ("queries", "candidates") for chunk in step[side]["chunks"]
        ]
        return sum(batch["ids"].numel() for batch in chunks or self.inputs)


def check(packed: Side, padded: Side, items: list[Item]) -> float:
    """Return the largest difference of vectors of length 1. Raises AssertionError where the sides differ."""
    worst = float(np.abs(packed.encode(items) - padded.encode(items)).max())
    assert worst < 1e-4, worst
    with torch.no_grad():
        cosines = [side.cosines(unseen(side.rl[0])) for side in (packed, padded)]
    assert torch.allclose(*cosines, atol=1e-4)
    assert packed.columns("encode") == sum(packed.backbone.cost(item) for item in items)  # no padding
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--count", type=int, default=24, help="notes that are encoded, and as many titles")
    parser.add_argument("--batch", type=int, default=8, help="queries of a step")
    parser.add_argument(
        "--chunk", type=int, default=0, help="GradCache: items encoded at once; 0: no GradCache"
    )
    parser.add_argument("--budget", type=int, default=0, help="tokens of a batch; 0: that of encoding")
    parser.add_argument("--pixels", type=int, default=65_536, help="largest area of a picture")
    parser.add_argument("--chars", type=int, default=800, help="length at which bodies are cut")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
    texts = [note.body for note in notes[::4]]
    notes = [
        dataclasses.replace(n, body=n.body[: arguments.chars]) for n in notes if 1 <= len(n.pictures) <= 12
    ]
    drawn = random.Random(0).sample(notes, arguments.count)
    items = [note.item() for note in drawn] + [Item.of(note.title) for note in drawn]
    items = list({item.key: item for item in items}.values())
    several = [note for note in notes if len(note.pictures) > 1]
    with tempfile.TemporaryDirectory() as space:
        base = build_qwen(Path(space) / "base", arguments.shape, texts)
        packed, padded = (Side(kind, base, arguments) for kind in (QwenVLBackbone, PaddedBackbone))
        for side in (packed, padded):
            side.prepare(items, several, arguments)
        worst, budget = check(packed, padded, items), packed.encoder.token_budget
        options = [f"--{name} {getattr(arguments, name)}" for name in ("count", "batch", "chunk", "rounds")]
        command = " ".join(
            ["python benchmarks/packing.py --notes notes.jsonl", *options, f"--budget {budget}"]
        )
        work: dict[str, tuple[str, Callable[[Side], Any]]] = {
            "encode": ("Encoding", lambda side: side.encode(items)),
            "language": ("The language model in encoding", lambda side: side.read()),
            "sft": ("A step of stage 1", lambda side: side.step()),
            "rl": ("Forward and backward pass of stage 2", lambda side: side.step_two()),
        }
        for name, (what, run) in work.items():
            times = take_turns(
                {"packed": partial(run, packed), "padded": partial(run, padded)}, arguments.rounds
            )
            value, interval = ratio(times["padded"], times["packed"])
            share = 1 - packed.columns(name) / padded.columns(name)
            text = (
                f"{what}: times as fast as with padded batches of at most {budget:,} tokens, "
                f"{100 * share:.1f} % of them padding; random Qwen3-VL ({arguments.shape}), vectors within "
                f"{worst:.0e}"
            )
            goal = None if name == "language" else 1.2
            claim(
                f"packing-{name}-{budget}",
                text,
                value,
                command,
                folder=arguments.results,
                goal=goal,
                interval=interval,
            )
        losses = np.array([packed.trained.losses, padded.trained.losses])
        apart = float(np.abs(losses[0] / losses[1] - 1).max())
        assert apart < 1e-4, apart
        print(f"losses within {apart:.0e}")


if __name__ == "__main__":
    main()
