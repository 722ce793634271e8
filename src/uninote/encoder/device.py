"""Device of a model by its name in the settings."""

from __future__ import annotations

import torch


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; `auto` takes CUDA, then MPS, then the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
