"""Timing of stretches of work on a GPU or a CPU: seconds, peak memory, and the steps of a training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import torch
from flops import Chunk
from gpu_profile import InputSamples, Profiler
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


class Measured(NamedTuple):
    """Measured stretch: seconds, peak GiB of a GPU, and the share of samples that wait for input."""

    seconds: float
    peak_gib: float | None
    waits: float | None

    def row(self) -> Row:
        return {"peak_memory_gib": self.peak_gib, "waits_for_input": self.waits}


class Meter:
    """Seconds, peak memory and waiting for input since its start.

    Seconds are wall-clock time on a GPU, processor time on a CPU.
    """

    def __init__(self, device: str) -> None:
        self.cuda = device == "cuda"
        self.clock = time.perf_counter if self.cuda else time.process_time
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self.samples = InputSamples()
        self.samples.start()
        self.start = self.clock()

    def seconds(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return self.clock() - self.start

    def stop(self) -> Measured:
        seconds = self.seconds()
        memory = round(torch.cuda.max_memory_allocated() / 2**30, 2) if self.cuda else None
        return Measured(seconds, memory, self.samples.share())


class Watch(TrainerCallback):  # type: ignore[misc]
    """Callback that times steps after the first one, then profiles one more and ends the training.

    `timed` gets the number of the steps and what was measured, at the end: work in between would give the
    next batch more time.
    """

    def __init__(self, options: Options, row: Row, timed: Callable[[int, Measured], None]) -> None:
        self.options, self.row, self.timed = options, row, timed
        self.meter: Meter | None = None
        self.steps = 0
        self.measured: Measured | None = None
        self.profiler: Profiler | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> Any:
        if self.meter is None:
            self.meter = Meter(self.options.device)
        elif self.profiler is None:
            self.steps, seconds = state.global_step - 1, self.meter.seconds()
            # One more would take as long as those before.
            longer = seconds * (self.steps + 1) / self.steps
            if self.steps == self.options.steps or longer > self.options.seconds:
                self.measured = self.meter.stop()
                self.profiler = Profiler(self.options.device).__enter__()
        elif not self.profiler.found:
            self.profiler.__exit__(None, None, None)
            self.row["profile"] = self.profiler.found
            control.should_training_stop = True
        return control

    def close(self) -> None:
        """Report what was measured, of an interrupted training too."""
        if self.profiler and not self.profiler.found:
            self.profiler.__exit__(None, None, None)
        if self.measured:
            self.timed(self.steps, self.measured)
        elif self.meter:
            self.meter.stop()


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
