"""Timing of stretches of work on a GPU or a CPU: seconds, peak memory, and the steps of a training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from flops import Chunk
from gpu_profile import Profiler
from transformers import TrainerCallback

Row = dict[str, Any]


@dataclass
class Options:
    """Options of a run.

    Attributes:
        seconds: time of the timed part of a stretch.
        batch: queries of a training step; None for the defaults of the settings.
        tokens: token budgets that encoding tries.
        peak: FLOP/s that MFU refers to; None where it is not known.
    """

    device: str
    seconds: float
    steps: int
    batch: int | None
    tokens: Sequence[int]
    peer_batches: Sequence[int]
    peer_tokens: int
    peak: float | None


class Meter:
    """Seconds since its start, and peak memory: wall-clock time on a GPU, processor time on a CPU."""

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self.clock = time.perf_counter if self.cuda else time.process_time
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.start = self.clock()

    def seconds(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return self.clock() - self.start

    def peak_gib(self) -> float | None:
        return round(torch.cuda.max_memory_allocated() / 2**30, 2) if self.cuda else None


class Watch(TrainerCallback):  # type: ignore[misc]
    """Callback that times steps after the first one, then profiles one more and ends the training."""

    def __init__(self, options: Options, row: Row, timed: Callable[[int, float, Meter], None]) -> None:
        self.options, self.row, self.timed = options, row, timed
        self.meter: Meter | None = None
        self.profiler: Profiler | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> Any:
        if self.meter is None:
            self.meter = Meter(self.options.device)
        elif self.profiler is None:
            steps, seconds = state.global_step - 1, self.meter.seconds()
            # One more would take as long as those before.
            if steps == self.options.steps or seconds * (steps + 1) / steps > self.options.seconds:
                self.timed(steps, seconds, self.meter)
                self.profiler = Profiler(self.options.device).__enter__()
        elif "profile" not in self.row:
            self.close()
            self.row["profile"] = self.profiler.found
            control.should_training_stop = True
        return control

    def close(self) -> None:
        """Stop the profiler; the end of a training that was interrupted does so, too."""
        if self.profiler and not self.profiler.found:
            self.profiler.__exit__(None, None, None)


@contextmanager
def recorded(collator: type, backbone: type) -> Iterator[list[list[list[Chunk]]]]:
    """Record what is prepared for every batch of `collator`: a list by batch and call of `prepare_step`."""
    batches: list[list[list[Chunk]]] = []
    here = threading.local()
    collate, prepare = collator.__call__, backbone.prepare_step  # type: ignore[attr-defined]

    def collated(self: Any, batch: Any) -> Any:
        here.calls = []
        batches.append(here.calls)
        try:
            return collate(self, batch)
        finally:
            here.calls = None

    def prepared(self: Any, chunks: Sequence[Chunk]) -> Any:
        if getattr(here, "calls", None) is not None:
            here.calls.append(list(chunks))
        return prepare(self, chunks)

    with (
        mock.patch.object(collator, "__call__", collated),
        mock.patch.object(backbone, "prepare_step", prepared),
    ):
        yield batches


def reason(error: BaseException) -> str:
    """Return kind and first sentence of an error, without paths."""
    lines = str(error).strip().splitlines() or [""]
    words = ["…" if "/" in word else word for word in lines[0].split()]
    return f"{type(error).__name__}: {' '.join(words)}"[:300]
