"""Start of a stage: the encoder prepared for both trainers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from uninote.encoder import Encoder
from uninote.encoder.axes import reset_axes
from uninote.encoder.capabilities import HasAxes, Remembers, SplitsLayers, TakesLora
from uninote.errors import ConfigError
from uninote.items import Item
from uninote.settings import RlSettings, SftSettings


def prepare_training(
    encoder: Encoder,
    items: Sequence[Item],
    settings: SftSettings | RlSettings,
    seed: int,
    progress: bool,
    dropout: float = 0.0,
) -> int | None:
    """Reset the axes, run frozen towers on `items` or add adapters, and seed. Returns the token budget.

    A backbone whose towers ran already has no budget of tokens: a step is small.

    Args:
        dropout: rate on the outputs of frozen towers.

    Raises ConfigError when a backbone without layers to shard is to be sharded.
    """
    backbone = encoder.backbone
    if settings.sharding == "fsdp" and not isinstance(backbone, SplitsLayers):
        raise ConfigError(
            f"the {backbone.name} backbone has no layers to shard: leave sharding: fsdp out of sft and rl"
        )
    reset_axes(encoder)
    if isinstance(backbone, Remembers):
        backbone.remember(items, dropout, progress)
    torch.manual_seed(seed)
    if isinstance(backbone, TakesLora):
        backbone.add_lora(settings.lora.rank, settings.lora.alpha, settings.lora.dropout)
    return None if isinstance(backbone, Remembers) else encoder.token_budget


def training_dims(encoder: Encoder) -> tuple[int, ...]:
    """Return the prefixes that the losses compare: the Matryoshka dimensions, and the whole vector where
    it is rotated onto its axes after training."""
    turned = isinstance(encoder.backbone, HasAxes) and encoder.settings.principal_axes
    return tuple(sorted({*encoder.dims, encoder.backbone.width})) if turned else encoder.dims
