"""Joint training: a batch of stage 1 in every step of stage 2, which keeps what stage 1 has learned."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from uninote.encoder.protocol import Backbone
from uninote.items import Item
from uninote.negatives import Example, ReferenceIndex
from uninote.settings import SftSettings
from uninote.training.gather import Shard
from uninote.training.sft import SftCollator, example_items


class StageOne(NamedTuple):
    """Training set of stage 1; its reference holds every query, positive and negative.

    `until` is the latest time of the events that relate its notes, None if there is none.
    """

    examples: Sequence[Example]
    reference: ReferenceIndex
    settings: SftSettings
    until: float | None = None

    def items(self) -> list[Item]:
        """Return the items of all examples."""
        return example_items(self.examples)


class StageOneBatches:
    """Batches of stage 1: each of one task, drawn evenly over the tasks."""

    def __init__(
        self, backbone: Backbone, stage: StageOne, shard: Shard | None = None, token_budget: int | None = None
    ) -> None:
        self.size = stage.settings.batch_size
        self.collate = SftCollator(
            backbone, stage.examples, stage.reference, stage.settings, shard, token_budget
        )
        tasks = dict.fromkeys(example.pair.task for example in stage.examples)
        self.by_task = [[e for e in stage.examples if e.pair.task is task] for task in tasks]

    def __call__(self, rng: random.Random) -> dict[str, Any]:
        """Return the inputs of `sft.stage_one_loss` with their sides, as `SftCollator` does."""
        members = rng.choice(self.by_task)
        return self.collate(rng.sample(members, min(len(members), self.size)))
