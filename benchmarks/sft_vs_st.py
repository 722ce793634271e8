"""Speed of stage 1 against sentence-transformers: CachedMultipleNegativesRankingLoss in MatryoshkaLoss.

    python benchmarks/sft_vs_st.py --notes path/to/notes.jsonl

Both sides train the same LoRA adapters of the same random Qwen3-VL (`random_qwen.py`, frozen vision tower) by
the same loss, InfoNCE over the candidates of the batch on every Matryoshka prefix, on the same batches in the
same order, with the same AdamW: I2Note and T2Note in turn, each query with its positive and the rule negative
(the very note without the picture). A step is collating (decoding pictures included), loss, backward pass and
optimiser; the sides take turns, step by step.

* uninote: by its defaults, without GradCache. `uninote, chunks` has GradCache with `--chunk` rows at once.
* sentence-transformers: by its defaults, and in the best of the `WAYS` to cut a batch, chosen by a trial
  on the first two batches: rows at once, a budget of tokens, or the same loss without a cache. The best
  cached way is the other side of `uninote, chunks`. Pictures are decoded as a batch is collated.

As the losses are the same function, so must the trainings be: the losses of all steps are compared, and
recall@10 on held-out notes before and after.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import peer_of, peer_version
from random_qwen import SHAPES, build_qwen
from rounds import RESULTS, claim, median, ratio, take_turns
from sft_sides import DEFAULT, LORA, TASKS, WAYS, Ours, Theirs, draw_batches, with_adapters

from uninote import (
    Encoder,
    SkipReport,
    Task,
    load_settings,
    make_pairs,
    read_notes,
)
from uninote.settings import SftSettings
from uninote.tasks.definitions import Pair


def recall(side: Ours | Theirs, pairs: dict[Task, list[Pair]], k: int = 10) -> float:
    """Return the mean recall@k of the tasks, each among the positives of its pairs."""
    found = []
    for task, of_task in pairs.items():
        queries = side.encode([pair.query for pair in of_task], task)
        targets = side.encode([pair.positive for pair in of_task], None)
        best = np.argsort(-(queries @ targets.T), axis=1)[:, :k]
        found.append(np.mean((best == np.arange(len(of_task))[:, None]).any(1)))
    return float(np.mean(found))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--shape", choices=SHAPES, default="mini")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--chunk", type=int, default=8, help="rows encoded at once by `uninote, chunks`")
    parser.add_argument("--pixels", type=int, default=65_536, help="largest area of a picture")
    parser.add_argument("--chars", type=int, default=800, help="length at which bodies are cut")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--held-out", type=int, default=30, help="notes that recall is measured on")
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    notes = read_notes(arguments.notes, load_settings().corpus, SkipReport())
    texts = [note.body for note in notes[::4]]
    notes = [dataclasses.replace(n, body=n.body[: arguments.chars]) for n in notes if len(n.pictures) > 1]
    held_out, notes = notes[: arguments.held_out], notes[arguments.held_out :]
    test = {task: make_pairs(held_out, task, per_note=1) for task in TASKS}
    batches = draw_batches(notes, arguments.batch, arguments.steps)
    examples = [example for batch in batches for example in batch]
    cached = SftSettings(objective="infonce", temperature=0.05, chunk_size=arguments.chunk)

    with tempfile.TemporaryDirectory() as space:
        base = build_qwen(Path(space) / "base", arguments.shape, texts)
        dims = sorted({32, 64, SHAPES[arguments.shape].width})
        pixels: Any = {"picture_pixels": arguments.pixels, "note_pixels": 12 * arguments.pixels}

        def start() -> Encoder:
            encoder = Encoder.pretrained(base, dims=dims, device="cpu", **pixels)
            torch.manual_seed(1)
            encoder.backbone.add_lora(LORA["r"], LORA["lora_alpha"], LORA["lora_dropout"])  # type: ignore[arg-type]
            return encoder

        first = start()
        plain = Encoder.pretrained(base, dims=dims, device="cpu", **pixels)
        peer = with_adapters(peer_of(plain, Path(space) / "peer"), first)
        tried = Theirs(peer, dims, cached.temperature, None).try_ways(batches[:2])
        best = min(tried, key=lambda way: tried[way])
        saving = min(WAYS, key=lambda way: tried[way])
        print("tried: " + ", ".join(f"{way} {taken:.2f} s" for way, taken in tried.items()), flush=True)
        whole = cached.model_copy(update={"chunk_size": None})
        sides: dict[str, Ours | Theirs] = {
            "uninote": Ours(first, examples, whole),
            "uninote, chunks": Ours(start(), examples, cached),
        }
        for way in dict.fromkeys((best, saving, DEFAULT)):
            sides[way] = Theirs(copy.deepcopy(peer), dims, cached.temperature, WAYS.get(way))
        before = recall(sides["uninote"], test)
        times = take_turns(
            {name: lambda s=side: s.step(batches[len(s.losses)]) for name, side in sides.items()},
            arguments.steps,
            warm=0,
        )
        after = {name: recall(sides[name], test) for name in ("uninote", best)}
    print(f"recall@10 before {before:.3f}, after " + ", ".join(f"{n} {r:.3f}" for n, r in after.items()))
    for name, side in sides.items():
        rate = arguments.batch / median(times[name])
        print(f"{name:22} {rate:6.2f} examples/s; loss {' '.join(f'{x:.4f}' for x in side.losses)}")
    losses = np.array([side.losses for side in sides.values()])
    apart = float((losses.max(0) / losses.min(0) - 1).max())
    assert apart < 0.01, f"the losses of the sides differ by {100 * apart:.2f} %"
    command = f"python benchmarks/sft_vs_st.py --notes notes.jsonl --shape {arguments.shape}"
    command += f" --batch {arguments.batch} --chunk {arguments.chunk} --steps {arguments.steps}"
    where = (
        f"random Qwen3-VL ({arguments.shape}), batches of {arguments.batch} queries with a positive and a "
        f"negative, {len(dims)} Matryoshka dimensions, losses of {arguments.steps} steps within "
        f"{100 * apart:.2f} % of each other"
    )
    tokens = sides["uninote"].encoder.token_budget  # type: ignore[union-attr]
    ours = f"without GradCache, in passes of at most {tokens} tokens"
    chunks = f"with GradCache in chunks of at most {arguments.chunk} rows and {tokens} tokens"
    for name, side, how, way, kind, goal in (
        ("sft-vs-st", "uninote", ours, best, "at its best", 2.0),
        ("sft-vs-st-chunks", "uninote, chunks", chunks, saving, "at its best with a cache", None),
        ("sft-vs-st-default", "uninote", ours, DEFAULT, "by default", None),
    ):
        value, interval = ratio(times[way], times[side])
        text = f"SFT examples/s, {how}, over those of {peer_version()} {kind} ({way}); {where}"
        claim(name, text, value, command, folder=arguments.results, goal=goal, interval=interval)
    claim(
        "sft-vs-st-recall",
        f"Recall@10 (I2Note, T2Note, {arguments.held_out} held-out notes) after equal examples, less that of "
        f"sentence-transformers; before training it was {before:.3f}, after it {after['uninote']:.3f}",
        after["uninote"] - after[best],
        command,
        folder=arguments.results,
        goal=0.0,
        unit="",
    )


if __name__ == "__main__":
    main()
