"""Seeded shuffle, independent of the given order."""

from __future__ import annotations

import hashlib


def seeded_rank(name: str, seed: int) -> bytes:
    """Return the sort key of `name` in the shuffle of this seed: sha256 over both."""
    return hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogatepass")).digest()
