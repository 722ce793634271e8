"""Profile of a stretch: time by kernel class, idle share of the device, and waiting for input.

Kernels are read from the trace of `torch.profiler`: those of the device on a GPU, operators on a CPU, each
without the operators inside it. Waiting is sampled from the main thread's stack, too rarely to slow it down.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch

COPIES, OTHER = "copies and transfers", "other"
CLASSES = (
    ("collectives", r"nccl|all_?reduce|all_?gather|reduce_?scatter|^c10d::"),
    (COPIES, r"^mem(cpy|set)\b"),
    ("attention", r"flash|fmha|attention|attn|sdpa"),
    (
        "convolution",
        r"conv(?!ert)|cudnn::|implicit_gemm|fprop|[dw]grad|im2col|vol2col|nchwToNhwc|nhwcToNchw",
    ),
    (
        "matrix products",
        r"gemm|gemv|nvjet|cutlass|cublas|splitk|matmul|triton_mm|dot_kernel|"
        r"::(linear|(add)?(b)?mm|baddbmm|addmv|mv|dot|einsum)\b|mkldnn",
    ),
    (
        COPIES,
        r"copy|catarray|gather|scatter|index|embedding|transpose|"
        r"::(to|clone|contiguous|cat|stack|repeat|pin_memory)\b",
    ),
    (
        "norms and element-wise",
        r"elementwise|norm|reduce_kernel|rms|softmax|silu|gelu|multi_tensor|triton_(poi|red|per)_|"
        r"::(add|sub|mul|div|neg|pow|rsqrt|sqrt|exp|sin|cos|mean|sum|where|masked_fill|fill|zero|lerp|"
        r"addcmul|addcdiv|sigmoid|clamp|tanh|log|_foreach_\w+)_?\b",
    ),
)
"""Classes of kernels and the pattern of their names; the first that matches counts."""

TRACED = {"cuda": {"kernel", "gpu_memcpy", "gpu_memset"}, "cpu": {"cpu_op"}}
"""Categories of the events of a trace that are work of the device."""

PREPARING = {"_prepared", "prepare", "prepare_prefixes", "prepare_step", "prepare_sides", "arrived"}
"""Functions of the package that prepare a batch, or wait for one that is being prepared."""
WAITING = re.compile(r"/(threading|queue|selectors)\.py$|/concurrent/futures/|/multiprocessing/")

Event = tuple[str, Any, float, float]
"""Name, thread or stream, start and duration in microseconds."""


def kernel_class(name: str) -> str:
    """Return the class of a kernel of a GPU, or of an operator of torch, by its name."""
    return next((kind for kind, pattern in CLASSES if re.search(pattern, name, re.IGNORECASE)), OTHER)


def device_events(trace: dict[str, Any], device: str) -> list[Event]:
    """Return the events of a trace in Chrome's format that are work of the device."""
    return [
        (event["name"], (event.get("pid"), event.get("tid")), float(event["ts"]), float(event["dur"]))
        for event in trace["traceEvents"]
        if event.get("ph") == "X" and event.get("cat") in TRACED[device]
    ]


def own_times(events: Iterable[Event]) -> dict[str, float]:
    """Return microseconds by name, each event without those inside it on the same thread."""
    by_line: dict[Any, list[tuple[float, float, str]]] = defaultdict(list)
    for name, line, start, duration in events:
        by_line[line].append((start, -duration, name))
    totals: Counter[str] = Counter()
    for line in by_line.values():
        outer: list[tuple[float, str]] = []  # end and name of the events that are open
        for start, negative, name in sorted(line):
            while outer and outer[-1][0] <= start:
                outer.pop()
            if outer:
                totals[outer[-1][1]] += negative  # type: ignore[assignment]
            totals[name] -= negative  # type: ignore[assignment]
            outer.append((start - negative, name))
    return dict(totals)


def busy_time(events: Iterable[Event]) -> float:
    """Return the microseconds in which at least one event runs."""
    total, end = 0.0, float("-inf")
    for _, _, start, duration in sorted(events, key=lambda event: event[2]):
        total += max(0.0, start + duration - max(start, end))
        end = max(end, start + duration)
    return total


def summary(events: Sequence[Event], wall_s: float, top: int = 10) -> dict[str, Any]:
    """Return shares of the device's time by class, its longest kernels, and its idle share."""
    own = own_times(events)
    total = sum(own.values()) or 1.0
    shares: Counter[str] = Counter()
    for name, spent in own.items():
        shares[kernel_class(name)] += spent / total  # type: ignore[assignment]
    longest = sorted(own, key=lambda name: -own[name])[:top]
    return {
        "wall_s": round(wall_s, 3),
        "device_idle": round(max(0.0, 1 - busy_time(events) / 1e6 / wall_s), 4),
        "classes": {kind: round(shares[kind], 4) for kind in dict.fromkeys([*dict(CLASSES), OTHER])},
        "longest": [
            {"kernel": name[:160], "class": kernel_class(name), "share": round(own[name] / total, 4)}
            for name in longest
        ],
    }


def in_input(stack: Sequence[tuple[str, str]]) -> bool:
    """Return whether a thread prepares a batch or waits for another thread or process.

    `stack`: file and function of its frames, innermost first.
    """
    prepares = any(function in PREPARING and "/uninote/" in file for file, function in stack)
    return prepares or bool(stack and WAITING.search(stack[0][0]))


class InputSamples(threading.Thread):
    """Samples of the main thread's stack, one every `every` seconds."""

    def __init__(self, every: float = 0.02) -> None:
        super().__init__(daemon=True)
        self.every, self.done = every, threading.Event()
        self.seen = self.waiting = 0

    def run(self) -> None:
        main = threading.main_thread().ident
        while not self.done.wait(self.every):
            frame: FrameType | None = sys._current_frames().get(main or 0)
            stack = []
            while frame is not None:
                stack.append((frame.f_code.co_filename, frame.f_code.co_name))
                frame = frame.f_back
            self.seen += 1
            self.waiting += in_input(stack)

    def share(self) -> float | None:
        """Stop, and return the share of samples in the input pipeline; None without samples."""
        self.done.set()
        self.join()
        return round(self.waiting / self.seen, 4) if self.seen else None


class Profiler:
    """Context that profiles what runs in it; `found` holds the summary afterwards."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.found: dict[str, Any] = {}
        kinds = torch.profiler.ProfilerActivity
        self.profile = torch.profiler.profile(activities=[kinds.CUDA if device == "cuda" else kinds.CPU])

    def sync(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def __enter__(self) -> Self:
        self.profile.__enter__()
        self.sync()
        self.start = time.perf_counter()
        return self

    def __exit__(self, *error: Any) -> None:
        self.sync()
        wall = time.perf_counter() - self.start
        self.profile.__exit__(*error)
        if error[0] is not None:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            self.profile.export_chrome_trace(str(path))
            trace = json.loads(path.read_text("utf-8", errors="replace"))
        self.found = summary(device_events(trace, self.device), wall)
