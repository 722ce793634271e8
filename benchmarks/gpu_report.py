"""Report of `gpu.py`: a JSON file that grows by stretch, limits of time, and tables made from the file."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gpu_timing import Row, reason

from uninote.evaluation.results import write_json

COLUMNS = ("tokens_per_s", "samples_per_s", "mfu", "peak_memory_gib", "waits_for_input", "over_peer")


class OutOfTimeError(Exception):
    """End of the time of a stretch."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the main thread after so many seconds."""

    def stop(*_: Any) -> None:
        raise OutOfTimeError(f"stopped after {seconds:.0f} s")

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


class Report:
    """Report of a run: written after every stretch, and printed from what was written."""

    def __init__(self, path: Path, head: dict[str, Any], minutes: float) -> None:
        self.path, self.content = path, head | {"shapes": {}}
        self.until = time.monotonic() + 60 * minutes

    def stretch(
        self, shape: str, name: str, run: Callable[[Row], Any], side: str = "", reserve: float = 0
    ) -> Row:
        """Run one stretch within the time that is left, less `reserve` seconds for later ones."""
        row: Row = self.content["shapes"].setdefault(shape, {}).setdefault(name, {})
        row = row.setdefault(side, {}) if side else row
        started = time.monotonic()
        left = self.until - started - reserve
        try:
            if left < 5:
                raise OutOfTimeError("no time left")
            with time_limit(left):
                run(row)
        except (Exception, SystemExit) as error:
            row["failed"] = reason(error)
        row["whole_s"] = round(time.monotonic() - started, 1)
        whole = self.content["shapes"][shape][name]
        theirs = whole.get("peer", {}).get("tokens_per_s")
        if theirs and "tokens_per_s" in whole:
            whole["over_peer"] = round(whole["tokens_per_s"] / theirs, 3)
        write_json(self.path, self.content)
        shown = {key: value for key, value in row.items() if key != "settings"}
        print(f"{shape} {name} {side}: {json.dumps(shown)}", flush=True)
        return row


def table(content: dict[str, Any]) -> str:
    """Return the report as two Markdown tables: rates, and shares of the device's time in percent."""
    rows = [(shape, name, row) for shape, found in content["shapes"].items() for name, row in found.items()]
    lines = [f"| shape | stretch | {' | '.join(COLUMNS)} |", "|---|---|" + "---:|" * len(COLUMNS)]
    for shape, name, row in rows:
        values = [row["failed"]] if "failed" in row and "mfu" not in row else [row.get(c) for c in COLUMNS]
        cells = ["–" if value is None else str(value) for value in values]
        lines.append(f"| {shape} | {name} | {' | '.join(cells)} |")
    profiles = [(shape, name, row["profile"]) for shape, name, row in rows if "profile" in row]
    if profiles:
        kinds = list(profiles[0][2]["classes"])
        heads = [*kinds, "device idle"]
        lines += ["", f"| shape | stretch | {' | '.join(heads)} |", "|---|---|" + "---:|" * len(heads)]
    for shape, name, profile in profiles:
        shares = [*profile["classes"].values(), profile["device_idle"]]
        cells = [f"{100 * share:.1f} %" for share in shares]
        lines.append(f"| {shape} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
