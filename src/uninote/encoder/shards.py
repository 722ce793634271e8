"""Shard files of tensors that several processes may write at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from uninote.files import write_atomic


def write_shard(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write `path` whole or not at all; of two processes that write the same shard, the last wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path, several_writers=True) as partial:
        save_file(dict(tensors), partial)
