"""Device of a model by its name in the settings, and the cores that it leaves to the input."""

from __future__ import annotations

import os

import torch

from uninote.limits import cores


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


def spare_cores(device: torch.device) -> int:
    """Return the number of cores that the model leaves to the decoding of pictures, at least 1.

    Processes that `torchrun` started on this machine share its cores. One core of each drives a GPU. A model
    on the CPU has those of its threads; where none is left, it takes turns with decoding on all of them.
    """
    share = max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    left = share - (torch.get_num_threads() if device.type == "cpu" else 1)
    return left if left > 0 else share
