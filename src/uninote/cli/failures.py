"""Failures of the machine as sentences: files, disk, memory, network and database."""

from __future__ import annotations

import errno

_FIXES = {
    errno.ENOSPC: "the disk is full: make room, or name a path on another one",
    errno.EDQUOT: "the quota is used up: make room, or name a path elsewhere",
    errno.EROFS: "name a path that can be written",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
}


def describe(error: Exception) -> str | None:
    """Return what failed and what to do, None for an error that is a fault of this program."""
    package = type(error).__module__.partition(".")[0]
    if package in ("psycopg", "psycopg_pool", "sqlalchemy"):
        from uninote.store.pgvector.errors import sentence

        return sentence(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        reason = (str(error) or "no more can be had").splitlines()[0]
        return f"memory ran out: {reason}; take smaller batches (`batch_size`), or a machine with more memory"
    if package == "safetensors_rust":  # it names the system's error in words only
        full = "No space left" in str(error)
        return f"weights cannot be written or read: {error}" + (f"; {_FIXES[errno.ENOSPC]}" if full else "")
    if isinstance(error, OSError):
        number = error.errno or 0
        reason = error.strerror or str(error) or type(error).__name__
        place = str(error.filename or "").removesuffix(".partial")
        default = "name another path, or let this user use it" if place else ""
        fix = _FIXES.get(number, default)
        return ": ".join(part for part in (place, reason) if part) + (f"; {fix}" if fix else "")
    return None
