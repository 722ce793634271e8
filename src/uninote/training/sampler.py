"""Sampling order of training examples: shuffled batches of one task each, the same for the same seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class TaskBatchOrder(Sampler[int]):
    """Order in which every run of `batch_size` positions belongs to one group; a group's rest is left out.

    Candidates of another task would differ by their form alone, so a mixed batch teaches little.
    The rest differs from epoch to epoch. A group smaller than one batch repeats itself to fill one.

    Accelerate deals whole passes to the processes in turn. Each must see the same ones (`gather`), so a
    pass is yielded once per process; what a batch holds depends on neither `passes` nor `world`.

    Args:
        groups: the group of each example.
        batch_size: examples of one optimiser step, over all processes.
        passes: forward passes that one step is accumulated over; a divisor of `batch_size`.
        world: number of processes.
        clusters: the cluster of each example; those of one cluster stand together, so that they meet in a
            batch, while which clusters meet changes from epoch to epoch. None: every example for itself.
    """

    def __init__(
        self,
        groups: Sequence[Hashable],
        batch_size: int,
        seed: int,
        passes: int = 1,
        world: int = 1,
        clusters: Sequence[int] | None = None,
    ) -> None:
        self.batch_size, self.seed, self.epoch = batch_size, seed, 0
        self.size, self.world, self.clusters = batch_size // passes, world, clusters
        self.members = [
            [i for i, group in enumerate(groups) if group == name] for name in dict.fromkeys(groups)
        ]

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    @property
    def steps(self) -> int:
        """Number of optimiser steps of an epoch."""
        return sum(max(1, len(members) // self.batch_size) for members in self.members)

    def __len__(self) -> int:
        return self.steps * self.batch_size * self.world

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        batches: list[list[int]] = []
        for members in self.members:
            order = [members[i] for i in torch.randperm(len(members), generator=generator).tolist()]
            if self.clusters is not None:
                place = torch.randperm(max(self.clusters) + 1, generator=generator).tolist()
                order.sort(key=[place[cluster] for cluster in self.clusters].__getitem__)
            while len(order) < self.batch_size:
                order += order[: self.batch_size - len(order)]
            whole = len(order) // self.batch_size
            batches += [order[b * self.batch_size : (b + 1) * self.batch_size] for b in range(whole)]
        for b in torch.randperm(len(batches), generator=generator).tolist():
            for start in range(0, self.batch_size, self.size):
                for _ in range(self.world):
                    yield from batches[b][start : start + self.size]


class FollowEpochs(TrainerCallback):  # type: ignore[misc]
    """Callback that sets the order's epoch from the step; the libraries do not after a distributed resume."""

    def __init__(self, order: TaskBatchOrder) -> None:
        self.order = order

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.order.set_epoch(state.global_step // self.order.steps)
