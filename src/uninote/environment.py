"""Machine and package versions, recorded next to measured numbers."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
from pathlib import Path
from typing import Any

from uninote.limits import cores

PACKAGES = ("uninote", "torch", "transformers", "numpy", "faiss-cpu")


def environment() -> dict[str, Any]:
    """Return versions, system, processor, cores and GPU; no host name, user or path.

    The GPU is named only if torch is already loaded: importing it would cost seconds.
    """
    system = platform.system()
    if system == "Linux":
        try:
            system = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            system = f"Linux {platform.release()}"
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "os": system,
        "cpu": _cpu(),
        "cores": cores(),
    }
    for package in PACKAGES:
        try:
            facts[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()
