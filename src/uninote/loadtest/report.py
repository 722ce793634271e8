"""Report of a load: rates, latencies from the due times of the requests, and exceeded limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninote.loadtest.client import LOST
from uninote.loadtest.load import Answers

PERCENTILES = (50, 90, 95, 99, 99.9)
BUSY = 429
BAR = 40  # characters of the longest bar
PER_DOUBLING = 2  # bars of the histogram from one latency to its double


@dataclass(frozen=True)
class Limits:
    """Limits of latency and drops; None: no limit."""

    p99_ms: float | None = None
    drops: float | None = None


@dataclass(frozen=True)
class Report:
    """Latencies are in milliseconds from the time a request was due to its whole answer, good answers only.

    ok, busy (429), errors (other statuses) and lost (no answer) are numbers of requests; drops is the part
    of all that were not answered with success. late_ms: how late the sender itself was, at its 99th
    percentile: near the latencies, the sender is what is slow.
    """

    seconds: float
    offered_per_second: float
    answered_per_second: float
    requests: int
    ok: int
    busy: int
    errors: int
    lost: int
    drops: float
    statuses: dict[str, int]
    latency_ms: dict[str, float]
    late_ms: float
    histogram: list[tuple[float, int]]

    def breaches(self, limits: Limits) -> list[str]:
        """Return a sentence for every limit that was exceeded."""
        found = []
        p99 = self.latency_ms.get("p99", float("inf"))
        if limits.p99_ms is not None and p99 > limits.p99_ms:
            found.append(f"p99 {p99:.1f} ms is over the limit of {limits.p99_ms:g} ms")
        if limits.drops is not None and self.drops > limits.drops:
            found.append(f"{self.drops:.4%} of the requests had no success, over {limits.drops:.4%}")
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def text(self) -> str:
        """Return the report as text, with a histogram."""
        lines = [
            f"{self.requests} requests in {self.seconds:.1f} s: {self.offered_per_second:.1f} offered, "
            f"{self.answered_per_second:.1f} answered with success each second",
            f"{self.ok} ok, {self.busy} x 429, {self.errors} other errors, {self.lost} without an answer "
            f"(drops: {self.drops:.4%}); statuses {self.statuses}",
            "latency from when it was due: "
            + ", ".join(f"{name} {value:.2f}" for name, value in self.latency_ms.items())
            + f" ms; sender late by {self.late_ms:.2f} ms (p99)",
        ]
        most = max((count for _, count in self.histogram), default=0)
        for upto, count in self.histogram:
            bar = "█" * round(BAR * count / most) or ("▏" if count else "")
            lines.append(f"{upto:>9.2f} ms {count:>8} {bar}")
        return "\n".join(lines)


def report(answers: Answers) -> Report:
    """Compute the report of a load; percentiles are exact, over all latencies."""
    status, count = answers.status, len(answers.status)
    good = (status >= 200) & (status < 300)
    latency = (answers.done - answers.due)[good] * 1000
    values = {f"p{p:g}": float(np.percentile(latency, p)) for p in PERCENTILES} if len(latency) else {}
    if len(latency):
        values |= {"max": float(latency.max()), "mean": float(latency.mean())}
    lost, busy = int((status == LOST).sum()), int((status == BUSY).sum())
    ok = int(good.sum())
    seconds = float(answers.done.max())
    return Report(
        seconds=seconds,
        offered_per_second=count / float(answers.due[-1]) if answers.due[-1] else float(count),
        answered_per_second=ok / seconds,
        requests=count,
        ok=ok,
        busy=busy,
        errors=count - ok - busy - lost,
        lost=lost,
        drops=1 - ok / count,
        statuses={str(code): many for code, many in sorted(Counter(status.tolist()).items())},
        latency_ms={name: round(value, 3) for name, value in values.items()},
        late_ms=round(float(np.percentile(answers.sent - answers.due, 99)) * 1000, 3),
        histogram=_histogram(latency),
    )


def _histogram(latency: NDArray[np.float64]) -> list[tuple[float, int]]:
    """Return pairs (upper bound in ms, requests up to it); bounds grow by a constant factor."""
    if not len(latency):
        return []
    steps = np.ceil(np.log2(latency.clip(min=1e-3)) * PER_DOUBLING).astype(int)
    return [
        (round(float(2 ** (step / PER_DOUBLING)), 3), int((steps == step).sum()))
        for step in range(steps.min(), steps.max() + 1)
    ]
