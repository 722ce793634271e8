"""Distributed batches: each process encodes a share of the items, and all processes get all vectors.

All processes draw the same global batch and agree on its unique items; each encodes an equal share. The
shares are gathered with gradients, so every process computes the loss of the whole batch, over the
candidates of all devices: any number of processes gives the loss and the gradients of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad


class Shard(NamedTuple):
    """Position of one process among all: `rank` in 0..world - 1."""

    rank: int = 0
    world: int = 1

    @classmethod
    def current(cls) -> Shard:
        """Return the position in the process group, which the training arguments start under `torchrun`."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, order: Sequence[int]) -> list[int]:
        """Return the units of this process, dealt in turn from `order`.

        All shares are equally long, so that collectives match: a short one repeats its last unit.
        """
        own = list(order[self.rank :: self.world])
        return own + [order[-1]] * (-(-len(order) // self.world) - len(own))

    def layout(self, order: Sequence[int], sizes: Sequence[int]) -> tuple[list[int], int]:
        """Return the place of every unit after dealing, given the rows per unit.

        The result is the first row of each unit in the gathered matrix, and the rows per process.
        """
        hands = [Shard(rank, self.world).share(order) for rank in range(self.world)]
        height = max(sum(sizes[unit] for unit in hand) for hand in hands)
        starts = [0] * len(sizes)
        for rank, hand in reversed(list(enumerate(hands))):
            row = rank * height
            for unit in hand:
                # In reverse, so that the first occurrence of a unit overwrites its repetitions.
                starts[unit] = row
                row += sizes[unit]
        return starts, height


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, shard: Shard) -> Tensor:
        ctx.shard, ctx.height = shard, len(local)
        gathered = [torch.empty_like(local) for _ in range(shard.world)]
        dist.all_gather(gathered, local.contiguous())
        return torch.cat(gathered)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        # Every process has the gradient of the same whole loss, so its own rows need no exchange. DDP
        # averages gradients over the processes, but the shares must be summed: hence the factor.
        start = ctx.shard.rank * ctx.height
        return grads[0][start : start + ctx.height] * ctx.shard.world, None


def gather_rows(local: Tensor, height: int, shard: Shard) -> Tensor:
    """Gather rows of all processes, rank by rank, differentiable: [m ≤ height, D] -> [world · height, D]."""
    if shard.world == 1:
        return local
    gathered: Tensor = _GatherRows.apply(pad(local, (0, 0, 0, height - len(local))), shard)
    return gathered
