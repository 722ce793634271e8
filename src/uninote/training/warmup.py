"""Warm-up of the compact backbone on cached tower outputs: a minute, before stage 1.

The picture head starts random, so stage 1 would spend most of its steps on that alone. Here head, text
adapter and scale learn from pairs of all tasks while the towers run once per item. The projector, which
works inside MiniLM, and the gate of what it makes wait for stage 1. Plain InfoNCE both ways over large
batches of one task, no mined negatives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

import torch

from uninote.encoder import Encoder
from uninote.encoder.axes import fit_axes
from uninote.encoder.cached import CachedBackbone, on_cached_towers
from uninote.items import Item
from uninote.progress import show_progress
from uninote.tasks.definitions import ATOMIC_TASKS, Pair, Task
from uninote.training.objectives import OBJECTIVES, matryoshka_loss

STEPS = (100, 1200)
EPOCHS = 8
BATCH = 256
TEMPERATURE = 0.05
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.05
ADAPTER_DECAY = 4.0
"""Of the text adapter: what some thousand notes teach of texts, which were pretrained, does not carry far."""
ATOMIC_TURNS = 2
"""Batches of a task between one picture and one text, for one of any other: they teach the head alone."""
DROPOUT = 0.4
"""Keeps a few thousand pictures from being learnt by heart."""


def codes(values: Iterable[str]) -> torch.Tensor:
    """Equal values as equal numbers, int64 [n]."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def warm_up_steps(pairs: int) -> int:
    """Steps that suit so many pairs."""
    fewest, most = STEPS
    return min(most, max(fewest, EPOCHS * pairs // BATCH))


def warm_up(encoder: Encoder, pairs: Sequence[Pair], steps: int, seed: int, progress: bool = False) -> float:
    """Train head, adapter and scale in place. Returns the last loss; 0.0 with fewer than two pairs.

    Every step takes pairs of one task, drawn with its turns. Another positive of the same query, another
    query of the same positive and, where membership decides, another pair of the same note are no negatives.
    Only the compact backbone has these parts; other backbones are left as they are. Raises PictureError
    for a picture that cannot be decoded.
    """
    if len(pairs) < 2 or not steps:
        return 0.0
    items = [item for pair in pairs for item in (pair.query, pair.positive)]
    trained = on_cached_towers(encoder, items, progress=progress)
    cached = trained.backbone
    if not isinstance(cached, CachedBackbone):
        return 0.0
    own_dropout, cached.dropout.p = cached.dropout.p, DROPOUT
    cached.remember(items, progress)  # of a model that came with its towers cached
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

    connector = cached.connector
    weights = [p for p in connector.head.parameters() if p.ndim > 1]
    rest = [connector.scale, *(p for p in connector.head.parameters() if p.ndim < 2)]
    optimizer = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": WEIGHT_DECAY},
            {"params": connector.adapter.parameters(), "weight_decay": ADAPTER_DECAY},
            {"params": rest, "weight_decay": 0.0},
        ],
        lr=LEARNING_RATE,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    contrast = partial(matryoshka_loss, OBJECTIVES["infonce"], dims=encoder.dims, temperature=TEMPERATURE)

    def embed(items: Sequence[Item]) -> torch.Tensor:
        """Rows float32 [b, width] on the CPU."""
        inputs = {name: tensor.to(encoder.device) for name, tensor in cached.prepare(items).items()}
        rows: torch.Tensor = cached(**inputs)
        return rows.cpu()

    loss = torch.zeros(())
    cached.train()
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
    cached.eval()
    cached.dropout.p = own_dropout
    fit_axes(trained, items)
    return float(loss.detach())
