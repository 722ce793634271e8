"""Limits of the machine or container: free memory and cores.

A container sees the memory and the cores of its host; what it may use is in its control group (cgroup).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")


def cores() -> int:
    """Return the number of cores that this process may use, by affinity and by the quota of its container."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([usable, *(math.ceil(quota) for quota in _quotas())]))


def free_memory() -> int | None:
    """Return the bytes of memory that this process can still get; None where the system does not say."""
    try:
        found = re.search(r"^MemAvailable:\s*(\d+) kB$", _MEMORY.read_text(), re.MULTILINE)
    except OSError:
        found = None
    free = [int(found[1]) << 10] if found else []
    return max(0, min([*free, *_free_in_groups()])) if free else None


def _free_in_groups() -> Iterator[int]:
    """Yield the free memory of each group: its limit, less what is used and not a cache."""
    for limit, used, cache, folder in (
        ("memory.max", "memory.current", "inactive_file", ""),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "memory"),
    ):
        for group in _groups(folder):
            most, taken = _number(group / limit), _number(group / used)
            if most is not None and taken is not None:
                kept = re.search(rf"^{cache} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
                yield int(most - taken + (int(kept[1]) if kept else 0))


def _quotas() -> Iterator[float]:
    """Yield the cores of each group that has a quota."""
    for group in _groups(""):
        quota, _, period = _text(group / "cpu.max").strip().partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)
    for group in _groups("cpu"):
        share, period_us = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if share and period_us:
            yield share / period_us


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folder of this process' group and those above it; `controller` is empty for version 2."""
    for line in _text(_OWN).splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            root = _CGROUPS / controller
            own = root / path.lstrip("/")
            yield from (group for group in (own, *own.parents) if group == root or root in group.parents)


def _number(file: Path) -> int | None:
    text = _text(file).strip()
    return int(text) if text.isdecimal() else None


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
