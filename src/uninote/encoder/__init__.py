"""Item -> vector: backbones behind one protocol, token-budget batches, Matryoshka dimensions."""

from uninote.encoder.encoder import Encoder
from uninote.encoder.protocol import Backbone, Inputs, PrefixBackbone

__all__ = ["Backbone", "Encoder", "Inputs", "PrefixBackbone"]
