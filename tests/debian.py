"""Debian programs for tests: installed if possible; otherwise the test fails and names the package."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def program(name: str, package: str) -> str:
    """Return the path of the program. Fails the test when it is missing and cannot be installed."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    found = shutil.which(name, path=path)
    if found is None and os.geteuid() == 0:
        # Another process may hold the lock of the package system for a while.
        subprocess.run(
            ["apt-get", "-o", "DPkg::Lock::Timeout=120", "install", "-y", "-q", package],
            check=False,
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        )
        found = shutil.which(name, path=path)
    if found is None:
        pytest.fail(f"{name} is missing: apt-get install {package}", pytrace=False)
    return found
