"""Compact backbone: the compact model, which also trains on cached tower outputs."""

from __future__ import annotations

from collections.abc import Sequence

from uninote.encoder.compact.cached import CachedBackbone
from uninote.encoder.compact.model import CompactModel
from uninote.items import Item


class CompactBackbone(CompactModel):
    """Compact backbone; see `CompactModel`."""

    def on_cached_towers(
        self, items: Sequence[Item], dropout: float = 0.0, progress: bool = False
    ) -> CachedBackbone:
        """Return a backbone that trains this connector on the cached outputs of the towers for `items`."""
        cached = CachedBackbone(self, dropout)
        cached.remember(items, progress)
        return cached
