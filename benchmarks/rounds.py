"""Timing in turns, so that the noise of a shared machine affects all sides alike; their ratio as a claim."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from uninote.evaluation.results import write_result

RESULTS = Path(__file__).parent / "results"


def take_turns(
    sides: dict[str, Callable[[], Any]],
    rounds: int,
    sync: Callable[[], Any] = lambda: None,
    warm: int = 1,
) -> dict[str, list[float]]:
    """Measure the seconds of every round of every side, after `warm` rounds that are not counted.

    On a CPU these are seconds of processor time of this process, all threads together: time of other
    processes is not counted. On a GPU they are wall-clock time.

    The side that begins changes from round to round. `sync` waits for the device.
    """
    times: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    for number in range(rounds + warm):
        for name in names if number % 2 else names[::-1]:
            sync()
            start = clock()
            sides[name]()
            sync()
            if number >= warm:
                times[name].append(clock() - start)
    return times


def fastest(ways: dict[str, Callable[[], Any]]) -> tuple[str, dict[str, float]]:
    """Try every way once and return the name of the fastest, with the seconds of all."""
    times = {name: taken[0] for name, taken in take_turns(ways, 1, warm=0).items()}
    return min(times, key=lambda name: times[name]), times


def ratio(
    slow: Sequence[float], fast: Sequence[float], samples: int = 2000
) -> tuple[float, tuple[float, float] | None]:
    """Return the speed-up, total over total, and its 95 % bootstrap interval over paired rounds.

    One round has no interval.
    """
    pairs = list(zip(slow, fast, strict=True))
    rng = random.Random(0)

    def of(drawn: Sequence[tuple[float, float]]) -> float:
        return sum(a for a, _ in drawn) / sum(b for _, b in drawn)

    if len(pairs) < 2:
        return of(pairs), None
    found = sorted(of(rng.choices(pairs, k=len(pairs))) for _ in range(samples))
    return of(pairs), (found[round(0.025 * samples)], found[round(0.975 * samples) - 1])


def claim(
    name: str,
    text: str,
    value: float,
    command: str,
    *,
    folder: Path = RESULTS,
    goal: float | None = None,
    unit: str = "x",
    interval: tuple[float, float] | None = None,
) -> None:
    """Write a result and print its line."""
    span = tuple(round(end, 4) for end in interval) if interval else None
    write_result(folder, name, text, round(value, 4), goal=goal, unit=unit, interval=span, command=command)
    shown = f" [{span[0]:.2f}, {span[1]:.2f}]" if span else ""
    verdict = "" if goal is None else f"; goal {goal:g}: {'reached' if value >= goal else 'MISSED'}"
    print(f"{name}: {value:.4g} {unit}{shown}{verdict}\n    {text}", flush=True)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
