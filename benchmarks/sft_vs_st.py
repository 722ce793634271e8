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
import random
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer import as_messages, peer_of, peer_version
from random_qwen import SHAPES, build_qwen
from rounds import RESULTS, claim, fastest, median, ratio, take_turns

from uninote import (
    Encoder,
    Item,
    Note,
    ReferenceIndex,
    SkipReport,
    Task,
    load_settings,
    make_pairs,
    read_notes,
)
from uninote.negatives import Example
from uninote.negatives.rule import rule_negative
from uninote.settings import SftSettings
from uninote.tasks.definitions import INSTRUCTIONS, Pair
from uninote.training.gather import Shard
from uninote.training.gradcache import ChunkedEncoder, encode_sides
from uninote.training.objectives import OBJECTIVES, matryoshka_loss
from uninote.training.sft import SftCollator

TASKS = (Task.I2NOTE, Task.T2NOTE)
LORA = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0}
RATE, DECAY = 1e-3, 0.01
DEFAULT = "32 rows"
WAYS: dict[str, dict[str, int]] = {
    DEFAULT: {"mini_batch_size": 32},
    **{f"{rows} rows": {"mini_batch_size": rows} for rows in (1, 4, 8)},
    **{f"{budget} tokens": {"mini_batch_num_tokens": budget} for budget in (512, 1024, 2048, 4096, 8192)},
}
"""Arguments of the peer's cached loss that are tried."""
UNCACHED = "no cache"


class Hashed:
    """Reference vectors by content alone: InfoNCE reads no soft label, and no two items are alike."""

    def encode(self, items: Sequence[Item]) -> Any:
        rows = np.stack([np.random.default_rng(int(item.key[:8], 16)).normal(size=64) for item in items])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def draw_batches(notes: Sequence[Note], size: int, count: int) -> list[list[Example]]:
    """Draw batches of one task each, whose notes differ: neither side has a false negative to deal with."""
    rng = random.Random(0)
    batches = []
    for number in range(count):
        task = TASKS[number % len(TASKS)]
        examples: list[Example] = []
        taken: set[str] = set()
        for note in rng.sample(notes, len(notes)):
            pairs = [pair for pair in make_pairs([note], task) if rule_negative(pair)]
            if not pairs or len(examples) == size:
                continue
            pair = rng.choice(pairs)
            negative = rule_negative(pair)
            keys = {pair.query.key, pair.positive.key, negative.key}  # type: ignore[union-attr]
            if taken.isdisjoint(keys):
                taken |= keys
                examples.append(Example(pair, (negative,), (0.0,), 1.0))  # type: ignore[arg-type]
        batches.append(examples)
    return batches


def moved(tree: Any, device: torch.device) -> Any:
    """Move the tensors of nested dicts and lists to the device; other values stay."""
    if isinstance(tree, torch.Tensor):
        return tree.to(device)
    if isinstance(tree, dict):
        return {key: moved(value, device) for key, value in tree.items()}
    return [moved(value, device) for value in tree] if isinstance(tree, list) else tree


def autocast(device: torch.device) -> Any:
    """Return a bfloat16 context on a GPU, as both trainers use it."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def optimiser(module: torch.nn.Module) -> torch.optim.Optimizer:
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(trained, lr=RATE, weight_decay=DECAY)


class Ours:
    """Collator, encoder and loss of `SftTrainer`; batches are collated in the time, not in the background."""

    def __init__(self, encoder: Encoder, examples: Sequence[Example], settings: SftSettings) -> None:
        self.encoder, self.settings = encoder, settings
        backbone: Any = encoder.backbone
        items = [item for e in examples for item in (e.pair.query, e.pair.positive, *e.negatives)]
        self.collate = SftCollator(
            backbone,
            examples,
            ReferenceIndex(items, Hashed()),
            settings,
            token_budget=encoder.token_budget,
        )
        self.model = ChunkedEncoder(backbone, recompute=settings.chunk_size is not None)
        self.optimiser = optimiser(self.model)
        self.losses: list[float] = []

    def step(self, examples: list[Example]) -> None:
        self.model.train()
        inputs = moved(self.collate(examples), self.encoder.device)
        with autocast(self.encoder.device):
            queries, candidates = encode_sides(self.model, [inputs["queries"], inputs["candidates"]], Shard())
            loss = matryoshka_loss(
                OBJECTIVES["infonce"],
                queries,
                candidates,
                inputs["labels"],
                inputs["mask"],
                dims=self.encoder.dims,
                temperature=self.settings.temperature,
                positive=inputs["positive"],
            )
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.losses.append(float(loss.detach()))

    def encode(self, items: Sequence[Item], task: Task | None) -> Any:
        return self.encoder.encode(items, task=task)


class Theirs:
    """The library's own modules, collator and losses."""

    def __init__(self, model: Any, dims: Sequence[int], temperature: float, way: str = DEFAULT) -> None:
        from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

        self.model, self.dims, self.temperature = model, dims, temperature
        self.collators = {
            task: SentenceTransformerDataCollator(
                preprocess_fn=model.preprocess, prompts={"anchor": INSTRUCTIONS[task]}
            )
            for task in TASKS
        }
        self.cut(way)
        self.optimiser = optimiser(model)
        self.losses: list[float] = []

    def cut(self, way: str) -> None:
        """Choose how a batch is cut, one of the `WAYS` or `UNCACHED`."""
        from sentence_transformers.sentence_transformer import losses

        scale = 1 / self.temperature
        inner = (
            losses.MultipleNegativesRankingLoss(self.model, scale=scale)
            if way == UNCACHED
            else losses.CachedMultipleNegativesRankingLoss(self.model, scale=scale, **WAYS[way])
        )
        self.loss = losses.MatryoshkaLoss(self.model, inner, list(self.dims))

    def try_ways(self, batches: Sequence[list[Example]]) -> dict[str, float]:
        """Return the seconds of each way for the gradient of some batches; nothing is learnt from them."""

        def trial(way: str) -> None:
            self.cut(way)
            for batch in batches:
                self.gradient(batch)
                self.optimiser.zero_grad()

        return fastest({way: partial(trial, way) for way in (*WAYS, UNCACHED)})[1]

    def step(self, examples: list[Example]) -> None:
        self.losses.append(self.gradient(examples))
        self.optimiser.step()
        self.optimiser.zero_grad()

    def gradient(self, examples: list[Example]) -> float:
        """Compute the gradient of a batch and return its loss."""
        self.model.train()
        rows = [
            {
                "anchor": as_messages(example.pair.query),
                "positive": as_messages(example.pair.positive),
                "negative": as_messages(example.negatives[0]),
            }
            for example in examples
        ]
        batch = moved(self.collators[examples[0].pair.task](rows), self.model.device)
        columns = [
            {
                key.removeprefix(f"{name}_"): value
                for key, value in batch.items()
                if key.startswith(f"{name}_")
            }
            for name in rows[0]
        ]
        with autocast(self.model.device):
            loss = self.loss(columns, None)
        loss.backward()
        return float(loss.detach())

    def encode(self, items: Sequence[Item], task: Task | None) -> Any:
        prompt = INSTRUCTIONS[task] if task else None
        messages = [as_messages(item) for item in items]
        return self.model.encode(messages, prompt=prompt, batch_size=1, normalize_embeddings=True)


def with_adapters(model: Any, encoder: Encoder) -> Any:
    """Add the same adapters as ours: same layers, same values."""
    from peft import LoraConfig

    targets = encoder.settings.lora_targets
    model.requires_grad_(False)
    model.add_adapter(LoraConfig(**LORA, target_modules=targets))

    def short(name: str) -> str:
        return name[name.index("layers.") :]

    backbone: Any = encoder.backbone
    mine = {short(n): p for n, p in backbone.named_parameters() if "lora_" in n}
    found = {short(n): p for n, p in model.named_parameters() if "lora_" in n}
    assert mine.keys() == found.keys()
    with torch.no_grad():
        for name, parameter in found.items():
            parameter.copy_(mine[name])
    return model


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
        dims = (32, 64, SHAPES[arguments.shape].width)
        pixels: Any = {"picture_pixels": arguments.pixels, "note_pixels": 12 * arguments.pixels}

        def start() -> Encoder:
            encoder = Encoder.pretrained(base, dims=dims, device="cpu", **pixels)
            torch.manual_seed(1)
            encoder.backbone.add_lora(LORA["r"], LORA["lora_alpha"], LORA["lora_dropout"])  # type: ignore[arg-type]
            return encoder

        first = start()
        plain = Encoder.pretrained(base, dims=dims, device="cpu", **pixels)
        peer = with_adapters(peer_of(plain, Path(space) / "peer"), first)
        tried = Theirs(peer, dims, cached.temperature).try_ways(batches[:2])
        best = min(tried, key=lambda way: tried[way])
        saving = min(WAYS, key=lambda way: tried[way])
        print("tried: " + ", ".join(f"{way} {taken:.2f} s" for way, taken in tried.items()), flush=True)
        whole = cached.model_copy(update={"chunk_size": None})
        sides: dict[str, Ours | Theirs] = {
            "uninote": Ours(first, examples, whole),
            "uninote, chunks": Ours(start(), examples, cached),
        }
        for way in dict.fromkeys((best, saving, DEFAULT)):
            sides[way] = Theirs(copy.deepcopy(peer), dims, cached.temperature, way)
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
