"""Atomic file replacement, safe against exceptions, kills and power loss."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from uuid import uuid4

from uninote.errors import ConfigError


def check_output(path: Path, *, folder: bool) -> Path:
    """Return `path`; raise ConfigError unless a file, or files of a folder, can be written there.

    Nothing is left there. Folders that are missing count as writable when the nearest one above takes files.
    """
    wanted = "a folder" if folder else "a file"
    try:
        if path.exists() and not (path.is_dir() if folder else path.is_file()):
            kind = "a folder" if path.is_dir() else "a file" if path.is_file() else "a device"
            raise ConfigError(f"{path} is {kind}, and the result is {wanted}: name another path")
        start = path.absolute() if folder else path.absolute().parent
        place = next(one for one in (start, *start.parents) if one.exists())
        if not place.is_dir():
            raise ConfigError(f"{path} cannot be written: {place} is no folder; name another path")
        with TemporaryFile(dir=place) as probe:
            probe.write(b"0")
        return path
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; name another path, or let this user write there"
        ) from error


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
    if path.exists() and not path.is_file():  # the move would fail after all the work, or replace a device
        raise OSError(errno.EISDIR if path.is_dir() else errno.EINVAL, "this is no ordinary file", str(path))
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
