"""LRU cache of vision features, kept while the tower does not change."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch
from cachetools import LRUCache

from uninote.encoder.qwen.chat import JOINT
from uninote.encoder.qwen.rows import Spot


class FeatureCache:
    """Cache of the features of the `size` pictures used last: float [tokens, width x layers] in CPU memory.

    The model fills it in its forward pass; preparing a batch reads it, in the same process.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._features: LRUCache[tuple[int, int, int], torch.Tensor] = LRUCache(size)
        self._lock = Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureCache:
        """Return self: copies of a backbone share the frozen tower and what it has computed."""
        return self

    @staticmethod
    def key(spot: Spot) -> tuple[int, int, int]:
        """Return a spot as integers, which can travel in a tensor: 62 bits of the digest, height, width."""
        bits = (int(digest[:16], 16) >> 2 for digest in spot[0].split(JOINT))
        return sum((2 * n + 1) * one for n, one in enumerate(bits)) % 2**62, *spot[1]

    def get(self, spot: Spot) -> torch.Tensor | None:
        with self._lock:
            return self._features.get(self.key(spot))

    def put(self, keys: Sequence[Sequence[int]], features: Sequence[torch.Tensor]) -> None:
        with self._lock:
            for (digest, height, width), tensor in zip(keys, features, strict=True):
                if tensor.isfinite().all():
                    self._features[digest, height, width] = tensor.detach().to("cpu", copy=True)
