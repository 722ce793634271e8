"""Pseudo-terminal around one process."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path


def on_a_terminal(words: list[str], stdout: Path | None = None) -> str:
    """Return the terminal output of a process: its errors, and its output unless that goes to `stdout`."""
    ours, theirs = pty.openpty()
    with open(stdout, "w") if stdout else os.fdopen(os.dup(theirs), "w") as output:
        process = subprocess.Popen(
            words, stdout=output, stderr=theirs, env={**os.environ, "TERM": "xterm-256color"}
        )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 1 << 16):
            shown += block
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode()
