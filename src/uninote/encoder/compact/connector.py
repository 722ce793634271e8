"""Connector of the compact backbone: the parts that start random and join its pretrained towers."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from torch.nn.functional import normalize

from uninote.encoder.capabilities import ParamGroup
from uninote.encoder.compact.vision import CHANNELS

HEAD_DECAY = 0.05
ADAPTER_DECAY = 4.0
"""Weight decay of the text adapter: some thousand notes teach little about texts beyond the pretraining."""
SCALAR_FACTOR = 30
"""Multiple of the connector's learning rate for gate and scale: AdamW moves a number by its rate per step,
and both are about 1, some thirty times a weight of a matrix."""


class Connector(nn.Module):
    """Connector of the pretrained towers: projector, residual head, text adapter, gate and scale.

    Attributes:
        axes: float32 [width, width], orthogonal; rotates the read-out, except in training mode.
    """

    axes: torch.Tensor

    def __init__(self, width: int, hidden: int = 768) -> None:
        super().__init__()
        self.projector = nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, width))
        self.head = nn.Sequential(
            nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        # Without biases: an item without words keeps exactly zero in their place.
        self.adapter = nn.Sequential(
            nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False)
        )
        self.gate = nn.Parameter(torch.tensor(0.1))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("axes", torch.eye(width))
        # Word embeddings of MiniLM have a standard deviation of about 0.05; visual tokens start alike.
        nn.init.normal_(cast(nn.Linear, self.projector[1]).weight, std=0.05 / CHANNELS**0.5)
        nn.init.zeros_(cast(nn.Linear, self.adapter[2]).weight)

    def forward(
        self, words: torch.Tensor, seen: torch.Tensor, features: torch.Tensor, member: torch.Tensor
    ) -> torch.Tensor:
        """Return the read-out e, float32 [n, width], as `backbone.py` defines it.

        Takes words, seen float32 [n, width] as `CompactBackbone.towers` returns them, features float32
        [u, cells, 3584], member float32 [n, u].
        """
        embedded = self.words(words)
        if len(features):
            share = member / member.sum(1, keepdim=True).clamp(min=1)
            embedded = embedded + self.gate.tanh() * seen + self.scale * (share @ self.pictures(features))
        return embedded if self.training else embedded @ self.axes

    def warm_up_groups(self) -> list[ParamGroup]:
        """Return head, adapter and scale with their weight decay; projector and gate wait for stage 1."""
        matrices = [p for p in self.head.parameters() if p.ndim > 1]
        rest = [self.scale, *(p for p in self.head.parameters() if p.ndim < 2)]
        return [
            ParamGroup(matrices, HEAD_DECAY),
            ParamGroup(list(self.adapter.parameters()), ADAPTER_DECAY),
            ParamGroup(rest, 0.0),
        ]

    def param_groups(self, head_rate: float) -> list[ParamGroup]:
        """Return all parameters at `head_rate`, except gate and scale at `SCALAR_FACTOR` times that."""
        matrices = [p for p in self.parameters() if p.ndim]
        return [
            ParamGroup(matrices, head_rate),
            ParamGroup([self.gate, self.scale], SCALAR_FACTOR * head_rate),
        ]

    def words(self, readout: torch.Tensor) -> torch.Tensor:
        """Add the adapter's residual to read-outs of texts: float32 [n, width] -> [n, width]."""
        adapted: torch.Tensor = readout + self.adapter(readout)
        return adapted

    def pictures(self, features: torch.Tensor) -> torch.Tensor:
        """Return residual vectors of pictures: float32 [n, cells, 3584] -> unit rows float32 [n, width]."""
        return normalize(self.head(features.mean(1)), dim=-1)
