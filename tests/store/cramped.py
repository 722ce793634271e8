"""Embedded server whose shared memory is too small, as `/dev/shm` of a container is by default."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from uninote.store.embedded import EmbeddedServer

MOST = 40 * 2**20  # bytes of a file; WAL segments have 16 MiB


@contextmanager
def cramped_server(folder: Path) -> Iterator[EmbeddedServer]:
    """Start a server whose files, those of POSIX shared memory among them, hold `MOST` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExitStack() as stack, patch("uninote.store.embedded._shared_memory", lambda: "posix"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, hard))  # inherited by the server
            server = stack.enter_context(EmbeddedServer(folder))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        yield server
