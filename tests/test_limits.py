"""Limits of a container, in files like those of the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uninote import limits

MIB = 2**20


def container(
    monkeypatch: pytest.MonkeyPatch, folder: Path, own: str, files: dict[str, str], available: int = 4096
) -> None:
    """Let `limits` read these files instead of the kernel's; `available` is the host's free memory in MiB."""
    for name, content in files.items():
        file = folder / "cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    (folder / "own").write_text(own)
    (folder / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable:   {available * 1024} kB\n")
    monkeypatch.setattr(limits, "_CGROUPS", folder / "cgroup")
    monkeypatch.setattr(limits, "_OWN", folder / "own")
    monkeypatch.setattr(limits, "_MEMORY", folder / "meminfo")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)


def test_the_limits_of_a_container_in_version_2(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "memory.max": f"{512 * MIB}\n",
        "memory.current": f"{300 * MIB}\n",
        "memory.stat": f"anon 1\ninactive_file {100 * MIB}\n",
        "cpu.max": "150000 100000\n",
    }
    container(monkeypatch, tmp_path, "0::/\n", files)
    assert limits.free_memory() == (512 - 300 + 100) * MIB
    assert limits.cores() == 2  # 1.5, rounded up


def test_the_limit_of_a_group_above_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "system.slice/uninote.service/memory.max": "max\n",
        "system.slice/uninote.service/memory.current": "1\n",
        "system.slice/memory.max": f"{200 * MIB}\n",
        "system.slice/memory.current": f"{150 * MIB}\n",
    }
    container(monkeypatch, tmp_path, "0::/system.slice/uninote.service\n", files)
    assert limits.free_memory() == 50 * MIB
    assert limits.cores() == 64


def test_the_limits_of_a_container_in_version_1(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": f"{256 * MIB}\n",
        "memory/memory.usage_in_bytes": f"{300 * MIB}\n",
        "cpu/cpu.cfs_quota_us": "-1\n",
        "cpu/cpu.cfs_period_us": "100000\n",
    }
    container(monkeypatch, tmp_path, "4:memory:/docker/1\n1:cpu,cpuacct:/docker/1\n0::/\n", files)
    assert limits.free_memory() == 0  # more is used than allowed
    assert limits.cores() == 64


def test_without_a_container_the_machine_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    container(monkeypatch, tmp_path, "", {}, available=7)
    assert limits.free_memory() == 7 * MIB
    (tmp_path / "meminfo").unlink()
    assert limits.free_memory() is None
