"""The order of stage 1 examples: batches of one task each, shuffled, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class TaskBatchOrder(Sampler[int]):
    """Positions such that every run of `batch_size` belongs to one group; a group's rest is left out.

    Candidates of another task would be told apart by their form alone, so a mixed batch teaches little.
    The rest differs from epoch to epoch. A group smaller than one batch repeats itself to fill one.
    """

    def __init__(self, groups: Sequence[str], batch_size: int, seed: int) -> None:
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.members = [
            [i for i, group in enumerate(groups) if group == name] for name in dict.fromkeys(groups)
        ]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return sum(max(1, len(members) // self.batch_size) for members in self.members) * self.batch_size

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches: list[list[int]] = []
        for members in self.members:
            order = [members[i] for i in torch.randperm(len(members), generator=generator).tolist()]
            while len(order) < self.batch_size:
                order += order[: self.batch_size - len(order)]
            whole = len(order) // self.batch_size
            batches += [order[b * self.batch_size : (b + 1) * self.batch_size] for b in range(whole)]
        for b in torch.randperm(len(batches), generator=generator).tolist():
            yield from batches[b]
