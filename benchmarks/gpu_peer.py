"""Stretches of `gpu.py` for sentence-transformers at its best, on the weights and items of a `Bench`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from flops import Work
from gpu_stretches import Bench
from gpu_timing import Meter, Row
from peer import as_messages, peer_of
from sft_sides import LORA, Theirs, with_adapters

from uninote import Encoder, Item
from uninote.negatives import Example
from uninote.settings import SftSettings
from uninote.tasks.definitions import INSTRUCTIONS


class Peer:
    """`SentenceTransformer` of a bench's weights, made at the first stretch and freed with `forget`."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.options = bench, bench.options
        self.folder = bench.space / "peer"
        self.model: Any = None

    def forget(self) -> None:
        """Free the memory of both models and the disk space of the peer's."""
        self.model = None
        shutil.rmtree(self.folder, ignore_errors=True)
        self.bench.forget()

    def loaded(self) -> Any:
        if self.model is None:
            kind = torch.bfloat16 if self.options.device == "cuda" else torch.float32
            shutil.rmtree(self.folder, ignore_errors=True)
            encoder = self.bench.encoder(fresh=True)
            self.model = peer_of(encoder, self.folder, self.options.device, model_kwargs={"dtype": kind})
        return self.model

    def encode(self, row: Row) -> None:
        """Measure `SentenceTransformer.encode` at the best of its batch sizes."""
        model = self.loaded()

        def run(items: list[Item], size: int) -> None:
            model.encode([as_messages(item) for item in items], batch_size=size)

        size, items = self.bench.best(row, self.options.peer_batches, run, "batch_size")
        work = self.bench.work_of(items)
        self.bench.forget()
        meter = Meter(self.options.device)
        run(items, size)
        measured = meter.stop()
        row |= work.rates(measured.seconds) | {"peak_memory_gib": measured.peak_gib}

    def stage_one(self, row: Row, checkpointing: bool) -> None:
        """Measure the cached loss with a token budget; on a GPU, collating counts as if workers hid it."""
        bench = self.bench
        model, encoder = self.loaded(), bench.encoder(fresh=True)
        encoder.backbone.add_lora(*LORA.values())
        model = with_adapters(model, encoder)
        if checkpointing:
            module = next(m for m in model.modules() if hasattr(m, "gradient_checkpointing_enable"))
            module.gradient_checkpointing_enable({"use_reentrant": False})
        cut = {"mini_batch_num_tokens": self.options.peer_tokens}
        side = Theirs(model, encoder.dims, SftSettings().temperature, cut)
        row |= cut
        works = [self.work_of(encoder, batch) for batch in bench.batches]
        del encoder
        bench.forget()
        spent = collating(side)
        side.step(bench.batches[0])
        before, meter, done = sum(spent), Meter(self.options.device), Work()
        for batch, work in zip(bench.batches[1:-1], works[1:-1], strict=True):
            side.step(batch)
            done.samples += work.samples
            done.tokens += work.tokens
            if meter.seconds() > self.options.seconds:
                break
        measured, collated = meter.stop(), sum(spent) - before
        row["collating_s"] = round(collated, 2)
        hidden = collated if self.options.device == "cuda" else 0.0
        row |= done.rates(measured.seconds - hidden) | {"peak_memory_gib": measured.peak_gib}

    def work_of(self, encoder: Encoder, batch: Sequence[Example]) -> Work:
        pairs = [example.pair for example in batch]
        queries = ([[pair.query] for pair in pairs], INSTRUCTIONS[pairs[0].task])
        others = [[item] for e in batch for item in (e.pair.positive, *e.negatives)]
        work = Work(samples=len(batch))
        work.add(encoder.backbone, self.bench.shape, [queries, (others, "")], train=True)
        return work


def collating(side: Theirs) -> list[float]:
    """Time the peer's collators from now on. Returns the seconds of each call, which grow as it works."""
    spent: list[float] = []

    def wrapped(collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(rows: Any) -> Any:
            start = time.perf_counter()
            try:
                return collate(rows)
            finally:
                spent.append(time.perf_counter() - start)

        return run

    side.collators = {task: wrapped(collate) for task, collate in side.collators.items()}
    return spent
