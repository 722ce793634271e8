"""Batches of stage 2: queries, their candidates, true positions and noise."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from uninote.encoder.capabilities import PrefixBackbone
from uninote.encoder.protocol import Backbone
from uninote.items import Item
from uninote.settings import RlSettings
from uninote.tasks.definitions import INSTRUCTIONS
from uninote.tasks.halves import Halves
from uninote.training.gather import Shard
from uninote.training.gradcache import Content, prepare_sides
from uninote.training.joint import StageOneBatches
from uninote.training.near_noise import Foreign, digests


class HalvesDataset(Dataset[tuple[int, Halves]]):
    """Dataset of splittable notes with their position, from which the collator draws reproducible noise."""

    def __init__(self, halves: Sequence[Halves]) -> None:
        self.halves = halves

    def __len__(self) -> int:
        return len(self.halves)

    def __getitem__(self, index: int) -> tuple[int, Halves]:
        return index, self.halves[index]


class RlCollator:
    """Collator from halves of one task to queries, unique candidates and true positions.

    `L_rank` of a query is its own `L_rel`, then noise: the notes drawn for the batch and the relevant notes
    of the other queries, which are encoded anyway. Columns are the unique candidates of the batch; `mask`
    [B, N] is False where a candidate is not in the query's `L_rank`. Noise has position |L_rel| + 1.
    """

    def __init__(
        self,
        backbone: Backbone,
        noise: Sequence[Item],
        settings: RlSettings,
        shard: Shard | None = None,
        token_budget: int | None = None,
        stage_one: StageOneBatches | None = None,
        near: Sequence[Sequence[Item]] = (),
    ) -> None:
        """Prepare batches for `backbone`, with noise of these items.

        Args:
            stage_one: draws the batch of stage 1 that joins every step.
            near: noise items near each query, of which `settings.near` are drawn.
        """
        self.backbone, self.noise, self.settings = backbone, noise, settings
        self.shard, self.token_budget, self.stage_one = shard or Shard(), token_budget, stage_one
        self.near = near

    def __call__(self, batch: Sequence[tuple[int, Halves]]) -> dict[str, Any]:
        halves = [half for _, half in batch]
        rng = random.Random(" ".join(str(index) for index, _ in batch))
        taken = frozenset().union(*(digests(half.query) | digests(half.relevant[0]) for half in halves))
        drawn = rng.sample(self.noise, min(len(self.noise), self.settings.noise + 2 * len(halves)))
        noise = [item for item in drawn if taken.isdisjoint(digests(item))][: self.settings.noise]
        unique = {item.key: item for half in halves for item in half.relevant}
        for index, _ in batch if self.near else ():
            near = self.near[index]
            noise += rng.sample(near, min(len(near), self.settings.near))
        unique |= {item.key: item for item in noise}
        column = {key: i for i, key in enumerate(unique)}
        relevant = torch.zeros(len(halves), len(unique), dtype=torch.bool)
        positions = torch.zeros(len(halves), len(unique), dtype=torch.int64)
        for row, half in enumerate(halves):
            positions[row] = len(half.relevant) + 1
            for place, item in enumerate(half.relevant, 1):
                relevant[row, column[item.key]] = True
                positions[row, column[item.key]] = place
        # What has content in common with the query's note, and related notes beyond L_rel, are no noise.
        known = Foreign(list(unique.values()))
        foreign = [list(map(known.to(half), range(len(unique)))) for half in halves]
        task = halves[0].task
        instruction = INSTRUCTIONS[task] if self.backbone.uses_instructions else ""
        queries, candidates = [half.query for half in halves], list(unique.values())
        # N_B, N_B + I_1, … are prefixes of one another: a causal backbone reads them all in one pass.
        shared = (
            self.settings.shared_prefixes
            and all(half.nested for half in halves)
            and isinstance(self.backbone, PrefixBackbone)
        )
        chains = [*(half.relevant for half in halves), *((item,) for item in noise)] if shared else ()
        contents = [Content(queries, instruction), Content(candidates, "", chains)]
        sides = prepare_sides(
            self.backbone, contents, self.settings.chunk_size, self.shard, self.token_budget
        )
        return {
            "queries": sides[0],
            "candidates": sides[1],
            "positions": positions,
            "relevant": relevant,
            "mask": relevant | torch.tensor(foreign),
            **({"stage_one": self.stage_one(rng)} if self.stage_one else {}),
        }
