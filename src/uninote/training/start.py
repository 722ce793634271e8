"""Start of a stage: the encoder prepared for both trainers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from uninote.encoder import Encoder
from uninote.encoder.axes import reset_axes
from uninote.encoder.cached_towers import on_cached_towers
from uninote.items import Item
from uninote.settings import RlSettings, SftSettings


def prepared(
    encoder: Encoder,
    items: Sequence[Item],
    settings: SftSettings | RlSettings,
    seed: int,
    progress: bool,
    dropout: float = 0.0,
) -> Encoder:
    """Return the encoder to train: axes reset, towers cached as the settings say, adapters added, seeded.

    Args:
        items: items whose tower outputs are cached; `dropout` is applied to these outputs.

    Raises ModelError when the backbone cannot freeze its towers as asked.
    """
    reset_axes(encoder)
    trained = on_cached_towers(encoder, items, settings.frozen_towers, dropout, progress)
    torch.manual_seed(seed)
    trained.backbone.add_lora(settings.lora.rank, settings.lora.alpha, settings.lora.dropout)
    return trained
