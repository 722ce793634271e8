"""Cached towers of the compact backbone: both run once per item, and only the connector is trained.

Adapter, gate, scale and head come after the towers. While towers and projector are frozen, their outputs can
be cached, and the vectors equal those of the full backbone. The warm-up and stage 2 train this way, and an
experiment on pairs, negatives or objectives takes a minute.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import torch
from torch import nn

from uninote.encoder.batching import token_batches
from uninote.encoder.capabilities import ParamGroup
from uninote.encoder.compact.model import CompactModel
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.vision import CHANNELS
from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.items import Item
from uninote.progress import show_progress
from uninote.settings import CorpusSettings

COST = 4
"""Tokens that one item counts for: no tower is run, so batches may be large."""


class Outputs(NamedTuple):
    """Tower outputs of one item: words, seen float32 [width]; digests of the pictures that are read."""

    words: torch.Tensor
    seen: torch.Tensor
    digests: tuple[str, ...]


class CachedBackbone(nn.Module):
    """Backbone that trains the connector of `compact` in place, except its projector.

    Inputs: words, seen float32 [n, width]; features float32 [u, 1, 3584], pooled; member float32 [n, u], how
    often picture u stands in item n.
    """

    name = "compact"
    causal = False
    uses_instructions = False

    def __init__(self, compact: CompactModel, dropout: float = 0.0) -> None:
        """Apply `dropout` to features and words on their way into the connector, in training mode only."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.connector, self.width = compact.connector, compact.width
        self.towers = (compact,)  # in a tuple, so that its weights are not registered in this module
        self.outputs: dict[str, Outputs] = {}
        self.pooled: dict[str, torch.Tensor] = {}

    @property
    def compact(self) -> CompactModel:
        return self.towers[0]

    @torch.no_grad()
    def remember(self, items: Sequence[Item], progress: bool = False) -> None:
        """Run the towers on uncached items. Raises PictureError for a picture that cannot be decoded."""
        missing = list({item.key: item for item in items if item.key not in self.outputs}.values())
        costs = [self.compact.cost(item) for item in missing]
        device = next(self.compact.parameters()).device
        with show_progress("towers", len(missing), show=progress, transient=True) as bar:
            for batch in token_batches(costs, self.compact.settings.token_budget):
                chosen = [missing[n] for n in batch]
                inputs = {name: tensor.to(device) for name, tensor in self.compact.prepare(chosen).items()}
                del inputs["member"]
                for item, words, seen in zip(chosen, *self.compact.towers(**inputs), strict=True):
                    pictures = self.compact.pictures_of(item)
                    digests = tuple(picture.digest for picture in pictures)
                    self.outputs[item.key] = Outputs(words.cpu().clone(), seen.cpu().clone(), digests)
                    for picture in pictures:
                        if picture.digest not in self.pooled:
                            self.pooled[picture.digest] = self.compact.features([picture])[0].mean(0, True)
                bar.advance(len(batch))

    def cost(self, item: Item, instruction: str = "") -> int:
        return COST

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        self.remember(items)
        rows = [self.outputs[item.key] for item in items]
        position = {
            digest: n for n, digest in enumerate(dict.fromkeys(d for row in rows for d in row.digests))
        }
        member = torch.zeros(len(items), len(position))
        for n, row in enumerate(rows):
            for digest in row.digests:
                member[n, position[digest]] += 1
        features = [self.pooled[digest] for digest in position]
        return {
            "words": torch.stack([row.words for row in rows]),
            "seen": torch.stack([row.seen for row in rows]),
            "features": torch.stack(features) if features else torch.zeros(0, 1, CHANNELS),
            "member": member,
        }

    def forward(
        self, words: torch.Tensor, seen: torch.Tensor, features: torch.Tensor, member: torch.Tensor
    ) -> torch.Tensor:
        embedded: torch.Tensor = self.connector(self.dropout(words), seen, self.dropout(features), member)
        return embedded

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        """Add nothing: the text tower is not run."""

    def save(self, folder: Path) -> None:
        """Write the compact model with its trained connector."""
        self.compact.save(folder)

    @classmethod
    def start(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        return cls(CompactModel.start(settings, corpus, feature_folder, seed))

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        return cls(CompactModel.load(folder, options))

    @property
    def axes(self) -> torch.Tensor:
        return self.connector.axes

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        return self.connector.param_groups(head_rate)

    def warm_up_groups(self) -> list[ParamGroup]:
        return self.connector.warm_up_groups()

    def on_cached_towers(self, items: Sequence[Item], dropout: float = 0.0, progress: bool = False) -> Self:
        """Return a view of this module, which shares all but the dropout."""
        self.remember(items, progress)
        view = copy.copy(self)
        view._modules = {**self._modules, "dropout": nn.Dropout(dropout)}
        return view
