"""Trained weights of a compact backbone: connector and adapters of the text tower."""

from __future__ import annotations

import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict

from uninote.encoder.compact.model import CompactModel
from uninote.encoder.protocol import Backbone

Weights = dict[str, torch.Tensor]
TEXT = "text."
"""Prefix of the names of the text tower's adapters."""


def trained_weights(backbone: Backbone) -> Weights:
    """Return copies of the weights on the CPU. `backbone` is a `CompactModel` or a `CachedBackbone`."""
    state: Weights = dict(backbone.connector.state_dict())  # type: ignore[attr-defined]
    if isinstance(backbone, CompactModel):
        adapters = get_peft_model_state_dict(backbone.text)
        state |= {TEXT + name: tensor for name, tensor in adapters.items()}
    return {name: tensor.detach().cpu() for name, tensor in state.items()}


def load_weights(backbone: Backbone, state: Weights) -> None:
    """Load the result of `trained_weights`; adapters need a text tower that has adapters of that rank."""
    own = {name: tensor for name, tensor in state.items() if not name.startswith(TEXT)}
    backbone.connector.load_state_dict(own)  # type: ignore[attr-defined]
    adapters = {name.removeprefix(TEXT): state[name] for name in state if name.startswith(TEXT)}
    if adapters and isinstance(backbone, CompactModel):
        set_peft_model_state_dict(backbone.text, adapters)
