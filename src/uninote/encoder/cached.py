"""The compact backbone with both towers run once per item: what its connector alone can learn, in seconds.

Texts and pictures meet only in the connector, so the embedding is

    e = t + adapter(t) + s * mean_i unit(head(f_i))

with t of the item's texts alone, without the gated term. An experiment that asks which pairs, negatives or
objective teach best takes a minute here instead of the better part of an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from uninote.encoder.compact import CompactBackbone, Connector
from uninote.encoder.encoder import Encoder
from uninote.encoder.protocol import Inputs
from uninote.encoder.vision import CHANNELS
from uninote.items import Item

COST = 4
"""Tokens that one item counts for: no tower is run, so batches may be large."""


class CachedBackbone(nn.Module):
    """Trains the connector of `compact` in place. Inputs: readouts float32 [n, width]; features float32
    [u, 1, 1280], pooled; member float32 [n, u], how often picture u stands in item n."""

    name = "compact"
    causal = False
    uses_instructions = False

    def __init__(self, compact: CompactBackbone, dropout: float = 0.0) -> None:
        """`dropout`, of features and read-outs on their way into the connector, in training mode only."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.compact, self.width = compact, compact.width
        self.readouts: dict[str, torch.Tensor] = {}
        self.pooled: dict[str, torch.Tensor] = {}

    def remember(self, items: Sequence[Item], progress: bool = False) -> None:
        """Run the towers over what was not seen yet. Raises PictureError for one that cannot be decoded."""
        missing = {item.key: item for item in items if item.key not in self.readouts}
        texts = {key: Item.of(*item.texts) for key, item in missing.items() if "".join(item.texts).strip()}
        rows = self._bare_readouts(list(texts.values()), progress) if texts else ()
        self.readouts |= dict.fromkeys(missing, torch.zeros(self.width))
        self.readouts |= dict(zip(texts, rows, strict=True))
        for picture in {p.digest: p for item in missing.values() for p in item.pictures}.values():
            if picture.digest not in self.pooled:
                self.pooled[picture.digest] = self.compact.features([picture]).mean(1)

    def _bare_readouts(self, texts: list[Item], progress: bool) -> torch.Tensor:
        """Unit rows float32 [n, width] as the text tower gives them, before the trained adapter."""
        encoder = Encoder(self.compact, self.compact.settings.model_copy(update={"dims": (self.width,)}))
        trained = self.compact.connector
        self.compact.connector = Connector(self.width).to(encoder.device)  # a fresh adapter adds nothing
        try:
            return torch.from_numpy(encoder.encode(texts, progress=progress))
        finally:
            self.compact.connector = trained

    def cost(self, item: Item, instruction: str = "") -> int:
        return COST

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        self.remember(items)
        position = {
            digest: row for row, digest in enumerate({p.digest: 0 for i in items for p in i.pictures})
        }
        member = torch.zeros(len(items), len(position))
        for row, item in enumerate(items):
            for picture in item.pictures:
                member[row, position[picture.digest]] += 1
        features = [self.pooled[digest] for digest in position]
        return {
            "readouts": torch.stack([self.readouts[item.key] for item in items]),
            "features": torch.stack(features) if features else torch.zeros(0, 1, CHANNELS),
            "member": member,
        }

    def forward(self, readouts: torch.Tensor, features: torch.Tensor, member: torch.Tensor) -> torch.Tensor:
        connector = self.compact.connector
        embedded: torch.Tensor = readouts + connector.adapter(self.dropout(readouts))
        if len(features):
            share = member / member.sum(1, keepdim=True).clamp(min=1)
            embedded = embedded + connector.scale * (share @ connector.pictures(self.dropout(features)))
        return embedded

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        """Nothing to adapt: the text tower is not run."""

    def save(self, folder: Path) -> None:
        """Writes the compact model with its trained connector."""
        self.compact.save(folder)

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        return cls(CompactBackbone.load(folder, **options))
