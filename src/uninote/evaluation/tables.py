"""Result tables as JSON files, written by experiments and shown by the results page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from scipy.stats import t as student

from uninote.errors import ConfigError
from uninote.evaluation.results import write_json
from uninote.problems import problem_of, sentence

LEVEL = 0.95


class Measure(BaseModel):
    """A number with its 95 % interval; `low` and `high` are None for a single measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: float
    low: float | None = None
    high: float | None = None

    def text(self, digits: int = 1) -> str:
        """Format as `41.2 ± 0.8`, or as `41.2 [40.1, 41.9]` if the interval is asymmetric."""
        shown = f"{self.value:.{digits}f}"
        if self.low is None or self.high is None:
            return shown
        below, above = (f"{edge:.{digits}f}" for edge in (self.value - self.low, self.high - self.value))
        if below == above:
            return f"{shown} ± {above}"
        return f"{shown} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


Cell = str | int | float | Measure | None


class Table(BaseModel):
    """One table of the results page.

    Attributes:
        columns: names; the first column holds the names of the rows.
        rows: one cell per column; None for no value.
        seeds: seeds of the runs; the intervals are taken over them.
        command: command line that repeats the measurement.
        note: how to read the table, and its limits. Markdown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    seeds: tuple[int, ...] = ()
    command: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _rectangular(self) -> Self:
        for number, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"row {number} has {len(row)} cells for {len(self.columns)} columns")
        return self

    def markdown(self, digits: int = 1) -> str:
        """Format the rows as a Markdown table, without title and note."""
        lines = [
            "| " + " | ".join(_plain(column) for column in self.columns) + " |",
            "|---" + "|---:" * (len(self.columns) - 1) + "|",
        ]
        lines += ["| " + " | ".join(_shown(cell, digits) for cell in row) + " |" for row in self.rows]
        return "\n".join(lines)


def over_seeds(values: Sequence[float]) -> Measure:
    """Compute the mean of one number per seed and its 95 % t interval; one seed has no interval.

    Raises ValueError for no values.
    """
    if not len(values):
        raise ValueError("a mean needs at least one value")
    mean = float(np.mean(values))
    if len(values) == 1:
        return Measure(value=mean)
    half = float(student.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)
    return Measure(value=mean, low=mean - half, high=mean + half)


def write_table(path: Path, table: Table) -> None:
    write_json(path, table.model_dump(mode="json"))


def read_table(path: Path) -> Table:
    """Read a table. Raises ConfigError when the file is no table."""
    try:
        return Table.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise ConfigError(f"{path} holds no table of results: {sentence(error, Table)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} holds no table of results: {problem_of(error)}") from error


def _shown(cell: Cell, digits: int) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, Measure):
        return cell.text(digits)
    return f"{cell:.{digits}f}" if isinstance(cell, float) else _plain(str(cell))


def _plain(text: str) -> str:
    """Join the text into one line, with `|` escaped so that it does not end the cell."""
    return " ".join(text.split()).replace("|", "\\|")
