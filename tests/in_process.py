"""Command line in this process: what a call imports and loads is there for the next one."""

from __future__ import annotations

import io
import os
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from uninote.cli import app, main


def uninote(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as its own process would, up to what it prints and its exit code."""
    arguments, out, err = [str(word) for word in words], io.StringIO(), io.StringIO()
    code: object = 0
    with patch.dict(os.environ), redirect_stdout(out), redirect_stderr(err):
        try:
            main(lambda: app(arguments))
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
