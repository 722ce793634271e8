"""Warm-up: parts that start random are aligned, in a minute, before stage 1.

Without it, stage 1 would spend most of its steps on a random picture head. The parameters of `WarmsUp` are
trained on the pairs of one picture and its description (I2T, T2I) and on nothing else, so that the report
shows what the nine tasks of stage 1 add. The loss is InfoNCE in both directions over large batches, without
mined negatives.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch

from uninote.encoder import Backbone, Encoder
from uninote.encoder.axes import MOST, fit_axes, reset_axes
from uninote.encoder.capabilities import Remembers, WarmsUp
from uninote.encoder.stand_in import standing_in
from uninote.errors import ModelError
from uninote.items import Item
from uninote.progress import show_progress
from uninote.tasks.content import content_key
from uninote.tasks.definitions import Pair, Task
from uninote.training.movement import Start, write_movement
from uninote.training.objectives import OBJECTIVES, matryoshka_loss

log = logging.getLogger(__name__)

STEPS = (100, 1200)
EPOCHS = 3
BATCH = 256
TEMPERATURE = 0.05
LEARNING_RATE = 2e-3
TASKS = (Task.I2T, Task.T2I)
"""The tasks that align pictures with texts."""
DROPOUT = 0.4
"""Dropout that keeps the head from memorising a few thousand pictures."""


def codes(values: Iterable[Hashable]) -> torch.Tensor:
    """Number equal values alike, int64 [n]."""
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def warm_up_steps(pairs: int) -> int:
    """Return the number of steps for `pairs` pairs: three passes over them, within bounds."""
    fewest, most = STEPS
    return min(most, max(fewest, EPOCHS * pairs // BATCH))


def aligned_pairs(pairs: Iterable[Pair]) -> list[Pair]:
    """Return the pairs that the warm-up trains on: those of `TASKS`."""
    return [pair for pair in pairs if pair.task in TASKS]


def sides(pairs: Sequence[Pair]) -> list[Item]:
    """Return the queries and positives of all pairs."""
    return [item for pair in pairs for item in (pair.query, pair.positive)]


def require_warm_up(backbone: type[Backbone]) -> None:
    """Raise ModelError for a backbone that is not `WarmsUp`."""
    if not issubclass(backbone, WarmsUp):
        raise ModelError(
            f"the {backbone.name} backbone cannot be warmed up: leave the warm-up out and "
            "begin with `uninote train sft`"
        )


def warm_up(
    encoder: Encoder,
    pairs: Sequence[Pair],
    steps: int,
    seed: int,
    progress: bool = False,
    folder: Path | None = None,
) -> float:
    """Train the parameters of `WarmsUp` in place. Returns the last loss; 0.0 with fewer than two pairs.

    How far the model moved is written into `folder`, if given.

    Pairs of other tasks than `TASKS` only take part in fitting statistics and axes. No negatives are:
    another positive of the same query, and another query of the same positive, both by content.

    Raises:
        ModelError: the backbone has nothing to warm up, or a loss is not a number.
    """
    require_warm_up(type(encoder.backbone))
    aligned = aligned_pairs(pairs)
    items = sides(pairs)
    items = items[:: -(-len(items) // MOST) or 1]
    module: Any = encoder.backbone
    reset_axes(encoder)
    if isinstance(module, Remembers):
        module.remember([*items, *sides(aligned)], DROPOUT, progress)
    module.fit_statistics(items)
    if len(aligned) < 2 or not steps:
        log.warning(
            "the warm-up trained nothing: it needs two pairs of a picture and its description, there are %d",
            len(aligned),
        )
        fit_axes(encoder, items)
        return 0.0
    start = Start(encoder, items)
    keys = [
        codes(content_key(pair.query) for pair in aligned),
        codes(content_key(pair.positive) for pair in aligned),
    ]

    groups = cast(WarmsUp, module).warm_up_groups(LEARNING_RATE)
    optimizer = torch.optim.AdamW(
        [{"params": group.parameters, "weight_decay": group.decay} for group in groups], lr=LEARNING_RATE
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    contrast = partial(matryoshka_loss, OBJECTIVES["infonce"], dims=(module.width,), temperature=TEMPERATURE)

    def embed(items: Sequence[Item]) -> torch.Tensor:
        """Return rows float32 [b, width] on the CPU."""
        inputs = {name: tensor.to(encoder.device) for name, tensor in module.prepare(items).items()}
        rows: torch.Tensor = module(**inputs)
        return rows.cpu()

    loss = torch.zeros(())
    module.train()
    shown = show_progress("warm-up", steps, show=progress)
    with torch.random.fork_rng(devices=[]), standing_in(module), shown as bar:
        torch.manual_seed(seed)
        for _ in range(steps):
            rows = torch.randperm(len(aligned))[:BATCH]
            queries, positives = (key[rows, None] == key[rows] for key in keys)
            same = queries | positives
            batch = [aligned[row] for row in rows.tolist()]
            left, right = embed([pair.query for pair in batch]), embed([pair.positive for pair in batch])
            there, back = (
                contrast(*ends, same.float(), ~same, positive=torch.arange(len(rows)))
                for ends in ((left, right), (right, left))
            )
            loss = (there + back) / 2
            if not torch.isfinite(loss):
                raise ModelError(
                    "the loss of the warm-up is not a number: run `uninote embed` on the notes to find the "
                    "picture or text whose vector is none, and leave it out"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()
    module.eval()
    movement = start.movement(encoder)
    if folder is not None:
        write_movement(movement, folder)
    if movement.unmoved:
        log.warning("the warm-up did not move the model: all its pairs count as one")
    fit_axes(encoder, items)
    return float(loss.detach())
