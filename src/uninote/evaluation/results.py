"""Benchmark results as JSON files: claim, value, machine, and the command that repeats the measurement."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

from uninote.environment import environment
from uninote.errors import ConfigError
from uninote.evaluation.protocols import Json
from uninote.files import write_atomic


def write_result(
    folder: str | Path,
    name: str,
    claim: str,
    value: float,
    *,
    goal: float | None = None,
    unit: str = "",
    interval: tuple[float, float] | None = None,
    command: str = "",
) -> Path:
    """Write `<folder>/<name>.json` and return its path.

    Args:
        claim: one sentence that the value supports or refutes.
        goal: target value, None for a number without a goal.
        interval: 95 % interval of the value.
        command: command line that repeats the measurement.

    Raises ConfigError when the name is not letters, digits, `-`, `_`, `.`.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name, flags=re.ASCII):
        raise ConfigError(f"result name {name!r} must be letters, digits, '-', '_' and '.'")
    result = {
        "name": name,
        "claim": claim,
        "value": value,
        "goal": goal,
        "unit": unit,
        "interval": list(interval) if interval else None,
        "command": command,
        "environment": environment(),
        "date": datetime.now(UTC).date().isoformat(),
    }
    path = Path(folder) / f"{name}.json"
    write_json(path, result)
    return path


def write_json(path: Path, content: Json) -> None:
    """Write a JSON file atomically: a reader never sees an incomplete file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as partial:
        partial.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
