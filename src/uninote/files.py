"""Atomic file replacement: whole or not at all, after an exception, a kill or a loss of power."""

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
    * The content is on the disk before the move, and the move before the block is left (fsync of file and
      folder): after a loss of power, too, `path` holds one of the two, and the new one once this returned.
    * An exception leaves `path` as it was, and no other file.
    * A kill leaves `path` as it was, and `<name>.partial`, which the next writer replaces.

    several_writers: the yielded path is this writer's own, `<name>.<random>.partial`, so that processes may
    write the same file at once; the last one wins. After a kill it stays.
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
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
