"""The two sides of stage 1 in a benchmark: `Ours`, and `Theirs`, sentence-transformers; batches for both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from peer import as_messages
from rounds import fastest

from uninote import Encoder, Item, Note, ReferenceIndex, Task, make_pairs
from uninote.negatives import Example
from uninote.negatives.rule import rule_negative
from uninote.settings import SftSettings
from uninote.tasks.definitions import INSTRUCTIONS
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

    def __init__(
        self, model: Any, dims: Sequence[int], temperature: float, cut: dict[str, int] | None
    ) -> None:
        from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

        self.model, self.dims, self.temperature = model, dims, temperature
        self.collators = {
            task: SentenceTransformerDataCollator(
                preprocess_fn=model.preprocess, prompts={"anchor": INSTRUCTIONS[task]}
            )
            for task in TASKS
        }
        self.cut(cut)
        self.optimiser = optimiser(model)
        self.losses: list[float] = []

    def cut(self, cut: dict[str, int] | None) -> None:
        """Choose how the cached loss cuts a batch, as in `WAYS`; None: the loss without a cache."""
        from sentence_transformers.sentence_transformer import losses

        scale = 1 / self.temperature
        inner = (
            losses.MultipleNegativesRankingLoss(self.model, scale=scale)
            if cut is None
            else losses.CachedMultipleNegativesRankingLoss(self.model, scale=scale, **cut)
        )
        self.loss = losses.MatryoshkaLoss(self.model, inner, list(self.dims))

    def try_ways(self, batches: Sequence[list[Example]]) -> dict[str, float]:
        """Return the seconds of each way for the gradient of some batches; nothing is learnt from them."""

        def trial(way: str) -> None:
            self.cut(WAYS.get(way))
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
