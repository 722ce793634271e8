"""Device of a model by its name in the settings."""

from __future__ import annotations

import os

import torch


def resolve_device(name: str) -> torch.device:
    """Return the device of a name; `auto` takes CUDA, then MPS, then the CPU.

    `cuda` without a number is the process's own card under `torchrun`, by the number of the process.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    device = torch.device(name)
    rank = os.environ.get("LOCAL_RANK", "")
    own = device.type == "cuda" and device.index is None and rank.isdecimal()
    return torch.device("cuda", int(rank)) if own else device
