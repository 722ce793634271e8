"""Stretches of `gpu.py`: encoding and both training stages of one shape.

Each fills a row of the report as it goes, so that an interrupted one keeps what it has measured. Training
runs through `train_sft` and `train_rl` as a user starts them, with their default settings.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from flops import Work
from gpu_profile import Profiler
from gpu_timing import Measured, Meter, Options, Row, Watch, reason, recorded
from random_qwen import SHAPES, build_qwen
from sft_sides import Hashed, draw_batches

from uninote import Encoder, Item, Note, ReferenceIndex
from uninote.settings import RlSettings, SftSettings
from uninote.training.joint import StageOne
from uninote.training.rl import train_rl
from uninote.training.rl_batches import RlCollator
from uninote.training.sft import SftCollator, example_items, train_sft


@dataclass
class Bench:
    """One shape with random weights, its notes, and the rows of its stretches."""

    name: str
    notes: list[Note]
    space: Path
    options: Options
    model: Encoder | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.shape = SHAPES[self.name]
        self.items = [note.item() for note in self.notes]
        texts = [p.description for note in self.notes for p in note.pictures if p.description]
        self.items += map(Item.of, texts[: len(self.notes)])
        random.Random(0).shuffle(self.items)
        self.first = self.items[: max(6, len(self.items) // 10)]  # warms up, and chooses batch sizes
        self.base = self.space / "base"
        self.batch = self.options.batch or SftSettings().batch_size
        self.batches = draw_batches(self.notes, self.batch, self.options.steps + 2)
        self.examples = [example for batch in self.batches for example in batch]

    def encoder(self, fresh: bool = False) -> Encoder:
        """Return the model that is measured, as it is loaded by default; `fresh`: without adapters."""
        if not self.base.exists():
            build_qwen(self.base, self.name, (note.body for note in self.notes), self.options.device)
        if fresh or self.model is None:
            self.model = None
            dims = tuple(dim for dim in (64, 512, 1024, 2048, 4096) if dim <= self.shape.width)
            self.model = Encoder.pretrained(self.base, dims=dims, device=self.options.device)
        return self.model

    def forget(self) -> None:
        """Free the model's memory."""
        self.model = None
        gc.collect()
        if self.options.device == "cuda":
            torch.cuda.empty_cache()

    def report(self, row: Row, work: Work, measured: Measured) -> None:
        rate, peak = work.flops / measured.seconds, self.options.peak
        row |= work.rates(measured.seconds) | measured.row()
        row |= {"tflops_per_s": round(rate / 1e12, 4), "mfu": round(rate / peak, 4) if peak else None}

    def work_of(self, items: Sequence[Item]) -> Work:
        work = Work(samples=len(items))
        chains = [[item] for item in {item.key: item for item in items}.values()]
        work.add(self.encoder().backbone, self.shape, [(chains, "")], train=False)
        return work

    def best(
        self, row: Row, sizes: Sequence[int], encode: Callable[[list[Item], int], Any], unit: str
    ) -> tuple[int, list[Item]]:
        """Return the fastest of `sizes` on the first items, and as many others as the time allows.

        The row keeps every rate, and why a size failed.
        """
        tokens = self.work_of(self.first).tokens
        row["tried"] = tried = []
        for size in sizes:
            try:
                encode(self.first[:8], size)
                meter = Meter(self.options.device)
                encode(self.first, size)
                tried.append({unit: size, "tokens_per_s": round(tokens / meter.stop().seconds, 1)})
            except torch.OutOfMemoryError as error:
                tried.append({unit: size, "tokens_per_s": 0.0, "failed": reason(error)})
        best = max(tried, key=lambda one: one["tokens_per_s"])
        if not best["tokens_per_s"]:
            raise torch.OutOfMemoryError(f"every {unit} of {list(sizes)} was too large")
        row[unit] = best[unit]
        share = best["tokens_per_s"] * self.options.seconds / tokens
        others = self.items[len(self.first) :]  # in random order
        return int(best[unit]), others[: max(1, round(share * len(self.first)))]

    def encode(self, row: Row) -> None:
        encoder = self.encoder(fresh=True)
        settings = encoder.settings
        row["settings"] = settings.model_dump(mode="json", exclude={"model"})

        def run(items: list[Item], tokens: int) -> None:
            encoder.settings = settings.model_copy(update={"token_budget": tokens})
            try:
                encoder.encode(items)
            finally:
                encoder.settings = settings  # training has the default

        tokens, items = self.best(row, self.options.tokens, run, "token_budget")
        work = self.work_of(items)
        meter = Meter(self.options.device)
        run(items, tokens)
        self.report(row, work, meter.stop())
        with Profiler(self.options.device) as profiler:
            run(self.first, tokens)
        row["profile"] = profiler.found

    def train(self, row: Row, settings: SftSettings | RlSettings, run: Callable[[Watch], Any]) -> None:
        """Time training steps; the anchor reads what stage 2 prepares first in a step."""
        backbone: Any = self.encoder().backbone
        row["settings"] = settings.model_dump(mode="json")
        collator = RlCollator if isinstance(settings, RlSettings) else SftCollator

        def timed(steps: int, measured: Measured) -> None:
            work = Work(samples=settings.batch_size * steps)
            for calls in batches[1 : 1 + steps]:
                for number, chunks in enumerate(calls):
                    anchor = collator is RlCollator and number == 0
                    work.add(backbone, self.shape, chunks, train=True, anchor=anchor)
            layers = backbone.core.language_model.modules()
            row["steps"] = steps
            row["gradient_checkpointing"] = any(getattr(m, "gradient_checkpointing", False) for m in layers)
            self.report(row, work, measured)

        with recorded(collator, type(backbone)) as batches:
            watch = Watch(self.options, row, timed)
            try:
                run(watch)
            finally:
                watch.close()

    def stage_one(self, row: Row) -> None:
        settings = SftSettings(batch_size=self.batch, steps=self.options.steps + 2)
        reference = ReferenceIndex(example_items(self.examples), Hashed())

        def run(watch: Watch) -> None:
            train_sft(
                self.encoder(), self.examples, reference, settings, self.space / "sft", callbacks=[watch]
            )

        self.train(row, settings, run)

    def stage_two(self, row: Row) -> None:
        size = self.options.batch or RlSettings().batch_size
        settings = RlSettings(batch_size=size, steps=self.options.steps + 2)
        stage_one = StageOne(
            self.examples,
            ReferenceIndex(example_items(self.examples), Hashed()),
            SftSettings(batch_size=self.batch),
        )
        rich = [note for note in self.notes if len(note.pictures) > 1][: (self.options.steps + 2) * size]

        def run(watch: Watch) -> None:
            train_rl(
                self.encoder(), rich, settings, self.space / "rl", callbacks=[watch], stage_one=stage_one
            )

        self.train(row, settings, run)
