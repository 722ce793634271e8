"""Files of tensors that several processes may write at the same time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_shard(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write `path` whole or not at all.

    Partly written it has the process's own name: of two processes that write the same shard, the last wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}.partial")
    save_file(dict(tensors), partial)
    partial.replace(path)
