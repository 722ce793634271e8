"""LRU cache of vectors, for serving: an exact duplicate is not encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from torch import nn

from uninote.items import Item

Key = tuple[str, str]
"""Key of a cached vector: `Item.key` and instruction."""


class Memory:
    """Cache of the `size` vectors used last, emptied when a weight changes; safe to share between threads."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._vectors: LRUCache[Key, NDArray[np.float32]] = LRUCache(size)
        self._stamp: tuple[int, int] | None = None
        self._lock = Lock()

    def of(self, module: nn.Module) -> Memory:
        """Return self, emptied when weights have changed since the last call: in-place changes count up."""
        versions = [weight._version for weight in chain(module.parameters(), module.buffers())]
        stamp = len(versions), sum(versions)
        with self._lock:
            if stamp != self._stamp:
                self._vectors.clear()
                self._stamp = stamp
        return self

    def recall(
        self, module: nn.Module, items: Mapping[str, Item], instruction: str, rows: NDArray[np.float32]
    ) -> list[Item]:
        """Fill the rows of remembered items; return the others. items: by key, in the order of `rows`."""
        if not self.size:
            return list(items.values())
        missing = []
        memory = self.of(module)
        for n, (key, item) in enumerate(items.items()):
            found = memory.get((key, instruction))
            if found is None:
                missing.append(item)
            else:
                rows[n] = found
        return missing

    def get(self, key: Key) -> NDArray[np.float32] | None:
        with self._lock:
            return self._vectors.get(key)

    def put(self, key: Key, vector: NDArray[np.float32]) -> None:
        with self._lock:
            self._vectors[key] = vector.copy()
