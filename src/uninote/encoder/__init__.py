"""Encoder from items to vectors: backbones by one protocol, token-budget batches, Matryoshka dimensions.

The names load at first use, so that settings and saved models are read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninote.lazy import lazy_names

if TYPE_CHECKING:
    from uninote.encoder.capabilities import PrefixBackbone
    from uninote.encoder.encoder import Encoder
    from uninote.encoder.protocol import Backbone, Inputs, LoadOptions

__all__ = ["Backbone", "Encoder", "Inputs", "LoadOptions", "PrefixBackbone"]

__getattr__ = lazy_names(
    __name__,
    {
        "Backbone": "protocol",
        "Encoder": "encoder",
        "Inputs": "protocol",
        "LoadOptions": "protocol",
        "PrefixBackbone": "capabilities",
    },
)
