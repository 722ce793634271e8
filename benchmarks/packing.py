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
from pathlib import Path
from typing import Any

import numpy as np
import torch
from padded_rows import PaddedBackbone
from random_qwen import SHAPES, build_qwen
from rounds import RESULTS, claim, ratio, take_turns
from sft_vs_st import Ours, draw_batches

from uninote import Encoder, Item, Note, SkipReport, load_settings, read_notes
from uninote.encoder.batching import token_batches
from uninote.encoder.capabilities import packs
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.settings import RlSettings, SftSettings
from uninote.training.gather import Shard
from uninote.training.gradcache import encode_sides
from uninote.training.objectives import prefix_cosines
from uninote.training.rl import rl_halves
from uninote.training.rl_batches import RlCollator

SIDES = {"packed": QwenVLBackbone, "padded": PaddedBackbone}


class Side:
    """One kind of batches: encoding, and steps on batches that are collated beforehand."""

    def __init__(
        self, kind: type[QwenVLBackbone], base: Path, width: int, arguments: argparse.Namespace
    ) -> None:
        start = Encoder.pretrained(
            base,
            dims=(32, 64, width),
            device="cpu",
            picture_pixels=arguments.pixels,
            note_pixels=12 * arguments.pixels,
        )
        backbone = kind(start.backbone.base, start.settings)  # type: ignore[attr-defined, arg-type]
        self.encoder, self.backbone = Encoder(backbone, start.settings), backbone
        self.budget = arguments.budget or self.encoder.token_budget

    def batches(self, items: list[Item]) -> list[list[Item]]:
        costs = [self.backbone.cost(item) for item in items]
        found = token_batches(costs, self.budget, packed=packs(self.backbone))
        return [[items[n] for n in batch] for batch in found]

    def prepare(self, items: list[Item], notes: list[Note], arguments: argparse.Namespace) -> None:
        """Collate all batches, with the vision features of those of encoding."""
        self.inputs = []
        for batch in self.batches(items):
            inputs, shared = self.backbone.prepare_step([([[item] for item in batch], "")])
            with torch.no_grad():
                features = {"features": self.backbone.see(**shared)} if shared else {}
            self.inputs.append(inputs[0] | features)
        torch.manual_seed(1)
        self.backbone.add_lora(16, 32, 0.0)
        chunk = arguments.chunk or None
        batches = draw_batches(notes, arguments.batch, arguments.rounds + 1)
        settings = SftSettings(objective="infonce", temperature=0.05, chunk_size=chunk)
        self.sft = Ours(self.encoder, [e for batch in batches for e in batch], settings)
        self.sft.collate.token_budget = self.budget
        collated = [self.sft.collate(batch) for batch in batches]
        self.sft.collate = lambda number: collated[number]  # type: ignore[assignment]
        rl = RlSettings(batch_size=arguments.batch, chunk_size=chunk)
        halves = list(enumerate(rl_halves(notes, rl, 0)))
        collate = RlCollator(self.backbone, [note.item() for note in notes], rl, token_budget=self.budget)
        size = arguments.batch
        self.rl = [collate(halves[n * size : (n + 1) * size]) for n in range(arguments.rounds + 1)]
        self.turn = {"sft": 0, "rl": 0}

    def encode(self, items: list[Item]) -> Any:
        """Encode with the budget of this run, decoding and vision tower included."""
        with torch.inference_mode():
            return [self.backbone(**self.backbone.prepare(batch)) for batch in self.batches(items)]

    def read(self) -> torch.Tensor:
        """Run the language model alone."""
        with torch.inference_mode():
            return torch.cat([self.backbone(**inputs) for inputs in self.inputs])

    def padding(self, batches: list[dict[str, Any]]) -> float:
        """Return the share of columns without a token."""
        columns = sum(batch["ids"].numel() for batch in batches)
        return 1 - sum(self.tokens(batch) for batch in batches) / columns

    @staticmethod
    def tokens(batch: dict[str, Any]) -> int:
        # Only a filler has all three positions 0 after the first column.
        filler = (batch["positions"] == 0).all(2)
        filler[:, 0] = False
        return batch["ids"].numel() - int(filler.sum()) if "sequences" not in batch else batch["ids"].numel()

    def chunks(self, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            chunk for step in steps for side in ("queries", "candidates") for chunk in step[side]["chunks"]
        ]

    def step(self) -> None:
        number = self.turn["sft"]
        self.turn["sft"] += 1
        unseen(self.sft.collate(number))  # type: ignore[arg-type]
        self.sft.step(number)  # type: ignore[arg-type]

    def cosines(self, number: int) -> torch.Tensor:
        inputs = unseen(self.rl[number])
        queries, candidates = encode_sides(self.sft.model, [inputs["queries"], inputs["candidates"]], Shard())
        return prefix_cosines(queries, candidates, self.encoder.dims[-1])

    def step_two(self) -> None:
        """Encode queries and nested candidates, and go back: the part of a step that packing touches."""
        number = self.turn["rl"]
        self.turn["rl"] += 1
        self.cosines(number).square().sum().backward()  # type: ignore[no-untyped-call]
        self.sft.optimiser.zero_grad()


def unseen(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return inputs whose pictures pass the tower again, as those of another batch would."""
    for side in ("queries", "candidates"):
        if inputs[side]["pictures"] is not None:
            inputs[side]["pictures"].features = None
    return inputs


def check(sides: dict[str, Side]) -> float:
    """Return the largest difference of vectors of length 1. Raises AssertionError where they differ."""
    with torch.no_grad():
        cosines = [side.cosines(0) for side in sides.values()]
    vectors = [side.read() for side in sides.values()]
    rows = [torch.nn.functional.normalize(side, dim=1) for side in vectors]
    keys = [np.lexsort(side.numpy().T[:3].round(3)) for side in rows]
    worst = float((rows[0][keys[0]] - rows[1][keys[1]]).abs().max())
    assert worst < 1e-4, worst
    assert torch.allclose(*cosines, atol=1e-4)
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
        sides = {
            name: Side(kind, base, SHAPES[arguments.shape].width, arguments) for name, kind in SIDES.items()
        }
        for side in sides.values():
            side.prepare(items, several, arguments)
        worst = check(sides)
        command = " ".join(
            [
                "python benchmarks/packing.py --notes notes.jsonl",
                *(
                    f"--{name} {getattr(arguments, name)}"
                    for name in ("count", "batch", "chunk", "budget", "rounds")
                ),
            ]
        )
        work = {
            "encode": (lambda s: s.encode(items), lambda s: s.inputs, "Encoding"),
            "language": (lambda s: s.read(), lambda s: s.inputs, "The language model alone, encoding"),
            "sft": (
                lambda s: s.step(),
                lambda s: s.chunks([s.sft.collate(n) for n in range(arguments.rounds + 1)]),
                "A step of stage 1",
            ),
            "rl": (lambda s: s.step_two(), lambda s: s.chunks(s.rl), "Encoding and going back in stage 2"),
        }
        for name, (run, batches, what) in work.items():
            times = take_turns({n: lambda s=s, r=run: r(s) for n, s in sides.items()}, arguments.rounds)
            value, interval = ratio(times["padded"], times["packed"])
            shares = {n: s.padding(batches(s)) for n, s in sides.items()}
            text = (
                f"{what}: packed over padded, random Qwen3-VL ({arguments.shape}), {len(items)} items; "
                f"padding {100 * shares['padded']:.1f} % before, {100 * shares['packed']:.1f} % after; "
                f"vectors within {worst:.0e}"
            )
            goal = None if arguments.budget or name == "language" else 1.2
            claim(
                f"packing-{name}",
                text,
                value,
                command,
                folder=arguments.results,
                goal=goal,
                interval=interval,
            )
        losses = np.array([side.sft.losses for side in sides.values()])
        print(f"losses within {np.abs(losses[0] / losses[1] - 1).max():.0e}")


if __name__ == "__main__":
    main()
