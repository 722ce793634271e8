"""Atomic file replacement, safe against exceptions, kills and power loss."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def write_atomic(path: Path, *, several_writers: bool = False) -> Iterator[Path]:
    """Yield a path to write to, in the folder of `path`, which must exist; move it to `path` at the end.

    * A reader of `path` sees the former file or the whole new one.
    * The content is synced to the disk before the move, and the folder after it. A power loss therefore
      leaves the former file or the new one; once the block has ended, it leaves the new one.
    * An exception leaves `path` as it was, and no other file.
    * A kill leaves `path` as it was, and `<name>.partial`, which the next writer replaces.

    several_writers: each writer gets a path of its own, `<name>.<random>.partial`, so that several processes
    may write the same file at once; the last one wins. After a kill that file stays.
    """
    own = f".{uuid4().hex}" if several_writers else ""
    partial = path.with_name(f"{path.name}{own}.partial")
    partial.unlink(missing_ok=True)
    try:
        yield partial
        _flush(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Wait until the content of a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
