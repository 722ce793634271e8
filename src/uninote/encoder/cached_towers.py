"""Frozen towers: an encoder that trains on the cached outputs of its towers."""

from __future__ import annotations

from collections.abc import Sequence

from uninote.encoder.capabilities import CachesTowers
from uninote.encoder.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item


def on_cached_towers(
    encoder: Encoder,
    items: Sequence[Item],
    frozen: bool | None = None,
    dropout: float = 0.0,
    progress: bool = False,
) -> Encoder:
    """Return an encoder that shares the trained weights and reads cached tower outputs, or `encoder` itself.

    The vectors are the same; a training step takes about a hundredth of the time.

    Args:
        items: items whose outputs are cached now.
        frozen: `frozen_towers` of the stage; None: where the backbone can.
        dropout: rate on the outputs, in training mode only.

    Raises ModelError when `frozen` is True and the backbone caches no tower outputs.
    """
    if frozen is False:
        return encoder
    if not isinstance(encoder.backbone, CachesTowers):
        if frozen:
            raise ModelError(
                f"frozen_towers=true needs cached towers, which {encoder.backbone.name} does not have: "
                "leave frozen_towers out, or set it to false"
            )
        return encoder
    trained = Encoder(encoder.backbone.on_cached_towers(items, dropout, progress), encoder.settings)
    trained.dims = encoder.dims
    return trained
