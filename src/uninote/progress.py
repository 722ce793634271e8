"""Progress of a long step on standard error: a bar on a terminal, one plain line at its end elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

BRIEF = 1.0
"""Seconds below which a transient step prints no line."""


class Step:
    """A running step; its owner calls `advance` for every finished unit."""

    def __init__(self, name: str, total: int | None, done: int, bar: Progress | None) -> None:
        self.name, self.total, self.done, self.bar = name, total, done, bar
        self.task = bar.add_task(name, total=total, completed=done) if bar else None

    def advance(self, units: int = 1) -> None:
        """Count finished units."""
        self.done += units
        self._draw()

    def describe(self, name: str, total: int | None = None) -> None:
        """Rename the step; set its number of units too if `total` is given."""
        self.name, self.total = name, self.total if total is None else total
        self._draw()

    def _draw(self) -> None:
        if self.bar and self.task is not None:
            self.bar.update(self.task, description=self.name, total=self.total, completed=self.done)

    def line(self, seconds: float) -> str:
        """Return the line printed for the step after `seconds`."""
        of = "" if self.total in (None, self.done) else f" of {self.total:,}"
        return f"{self.name}: {self.done:,}{of} in {seconds:.1f} s"


@contextmanager
def show_progress(
    name: str, total: int | None, *, done: int = 0, show: bool = True, transient: bool = False
) -> Iterator[Step]:
    """Show the progress of a step while the block runs.

    A terminal shows a bar. Elsewhere one line is printed when the step ends, also by an exception: its name,
    the finished units and the seconds, as in `indexing: 1,200 of 3,000 in 12.3 s`. A step without units
    prints nothing.

    Args:
        name: name of the step, printed literally, not as markup.
        total: units of the step; None while unknown.
        done: units that an earlier run finished.
        show: False shows nothing.
        transient: for a step that occurs many times. Its bar is removed at the end, and its line is printed
            only if it took `BRIEF` seconds or more.
    """
    bar = _bar(transient) if show and total != 0 else None
    step = Step(name, total, done, bar)
    started = time.monotonic()
    try:
        with bar or nullcontext():
            yield step
    finally:
        seconds = time.monotonic() - started
        if show and bar is None and step.total != 0 and not (transient and seconds < BRIEF):
            print(step.line(seconds), file=sys.stderr, flush=True)


def _bar(transient: bool) -> Progress | None:
    """Return a bar for a terminal or a notebook, None for any other output."""
    console = Console(stderr=True)
    # The stream is checked too: with FORCE_COLOR, rich takes every file for a terminal.
    terminal = sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal
    if not (terminal or console.is_jupyter):
        return None
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=transient,
        # Output to a redirected stdout must stay in its file.
        redirect_stdout=sys.stdout.isatty(),
    )
