"""Warm-up: parts that start random are aligned on cached tower outputs, in a minute, before stage 1.

Without it, stage 1 would spend most of its steps on a random picture head. The parameters of `WarmsUp` are
trained on pairs of all tasks, while the towers run once per item. The loss is InfoNCE in both directions over
large batches of one task, without mined negatives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import torch

from uninote.encoder import Backbone, Encoder
from uninote.encoder.axes import fit_axes
from uninote.encoder.cached_towers import on_cached_towers
from uninote.encoder.capabilities import WarmsUp
from uninote.errors import ModelError
from uninote.items import Item
from uninote.progress import show_progress
from uninote.tasks.definitions import ATOMIC_TASKS, Pair, Task
from uninote.training.objectives import OBJECTIVES, matryoshka_loss

STEPS = (100, 1200)
EPOCHS = 8
BATCH = 256
TEMPERATURE = 0.05
LEARNING_RATE = 2e-3
ATOMIC_TURNS = 2
"""Draw ratio: batches of a task between one picture and one text per batch of any other task."""
DROPOUT = 0.4
"""Dropout that keeps the head from memorising a few thousand pictures."""


def codes(values: Iterable[str]) -> torch.Tensor:
    """Number equal values alike, int64 [n]."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def warm_up_steps(pairs: int) -> int:
    """Return the number of steps for `pairs` pairs: eight passes over them, within bounds."""
    fewest, most = STEPS
    return min(most, max(fewest, EPOCHS * pairs // BATCH))


def require_warm_up(backbone: type[Backbone]) -> None:
    """Raise ModelError for a backbone that is not `WarmsUp`."""
    if not issubclass(backbone, WarmsUp):
        raise ModelError(
            f"the {backbone.name} backbone cannot be warmed up: leave the warm-up out and "
            "begin with `uninote train sft`"
        )


def warm_up(encoder: Encoder, pairs: Sequence[Pair], steps: int, seed: int, progress: bool = False) -> float:
    """Train the parameters of `WarmsUp` in place. Returns the last loss; 0.0 with fewer than two pairs.

    Every step takes pairs of one task, drawn by the ratio of the tasks. No negatives are: another positive of
    the same query, another query of the same positive and, where membership decides, another pair of the same
    note.

    Raises:
        ModelError: the backbone has nothing to warm up.
        PictureError: a picture cannot be decoded.
    """
    require_warm_up(type(encoder.backbone))
    if len(pairs) < 2 or not steps:
        return 0.0
    items = [item for pair in pairs for item in (pair.query, pair.positive)]
    trained = on_cached_towers(encoder, items, None, DROPOUT, progress)
    module: Any = trained.backbone
    keys = [
        codes(pair.query.key for pair in pairs),
        codes(pair.positive.key for pair in pairs),
        codes(pair.note_id for pair in pairs),
    ]
    by_task: dict[Task, list[int]] = defaultdict(list)
    for row, pair in enumerate(pairs):
        by_task[pair.task].append(row)
    tasks = [
        (task, torch.tensor(rows))
        for task, rows in by_task.items()
        for _ in range(ATOMIC_TURNS if task in ATOMIC_TASKS else 1)
    ]

    groups = cast(WarmsUp, encoder.backbone).warm_up_groups()
    optimizer = torch.optim.AdamW(
        [{"params": group.parameters, "weight_decay": group.value} for group in groups], lr=LEARNING_RATE
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    contrast = partial(matryoshka_loss, OBJECTIVES["infonce"], dims=encoder.dims, temperature=TEMPERATURE)

    def embed(items: Sequence[Item]) -> torch.Tensor:
        """Return rows float32 [b, width] on the CPU."""
        inputs = {name: tensor.to(encoder.device) for name, tensor in module.prepare(items).items()}
        rows: torch.Tensor = module(**inputs)
        return rows.cpu()

    loss = torch.zeros(())
    module.train()
    with torch.random.fork_rng(devices=[]), show_progress("warm-up", steps, show=progress) as bar:
        torch.manual_seed(seed)
        for _ in range(steps):
            task, members = tasks[int(torch.randint(len(tasks), ()))]
            rows = members[torch.randperm(len(members))[:BATCH]]
            queries, positives, notes = (key[rows, None] == key[rows] for key in keys)
            same = queries | positives if task in ATOMIC_TASKS else queries | positives | notes
            batch = [pairs[row] for row in rows.tolist()]
            left, right = embed([pair.query for pair in batch]), embed([pair.positive for pair in batch])
            there, back = (
                contrast(*ends, same.float(), ~same, positive=torch.arange(len(rows)))
                for ends in ((left, right), (right, left))
            )
            loss = (there + back) / (2 * len(encoder.dims))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            bar.advance()
    module.eval()
    fit_axes(trained, items)
    return float(loss.detach())
