"""Warm-up of the compact backbone on cached tower outputs: a minute, before stage 1.

The picture head starts random, so stage 1 would spend most of its steps on that alone. Here head, text
adapter and scale learn from pairs of all tasks without running the towers: the text read-out of every item
and the vision features of every picture are computed once. The projector and the gate, which only matter
inside MiniLM, wait for stage 1. Plain InfoNCE both ways over large batches of one task, no mined negatives.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from rich.progress import Progress
from torch.nn.functional import dropout, embedding_bag

from uninote.encoder import Encoder
from uninote.encoder.compact import CompactBackbone, Connector
from uninote.encoder.vision import CHANNELS
from uninote.items import Item
from uninote.tasks.definitions import ATOMIC_TASKS, Pair
from uninote.training.objectives import OBJECTIVES, matryoshka_loss

BATCH = 256
BLOCK = 512  # pictures whose four cells are in memory at once
TEMPERATURE = 0.05
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
FEATURE_NOISE = 0.1
"""In standard deviations of a feature."""
DROPOUT = 0.3
"""Of features and read-outs: with the noise it keeps a few thousand pictures from being learnt by heart."""


@dataclass(frozen=True)
class TowerOutputs:
    """What the frozen towers say of n items with u different pictures.

    Attributes:
        readouts: unit rows of the items' texts, zero without text: float32 [n, width].
        features: pooled vision features: float32 [u, 1280].
        pictures: rows of `features` for every item, int64.
    """

    readouts: torch.Tensor
    features: torch.Tensor
    pictures: list[torch.Tensor]


def tower_outputs(encoder: Encoder, items: Sequence[Item], progress: bool = False) -> TowerOutputs:
    """Run both towers once over the items; the backbone's text adapter must be at its start, zero."""
    backbone = encoder.backbone
    assert isinstance(backbone, CompactBackbone)
    whole = Encoder(backbone, encoder.settings.model_copy(update={"dims": (backbone.width,)}))
    with_text = [row for row, item in enumerate(items) if any(text.strip() for text in item.texts)]
    readouts = torch.zeros(len(items), backbone.width)
    texts = [Item.of(*items[row].texts) for row in with_text]
    if texts:
        readouts[with_text] = torch.from_numpy(whole.encode(texts, progress=progress))
    unique = {picture.digest: picture for item in items for picture in item.pictures}
    position = {digest: row for row, digest in enumerate(unique)}
    rows = [torch.tensor([position[p.digest] for p in item.pictures], dtype=torch.int64) for item in items]
    features = [torch.zeros(0, CHANNELS)]
    remaining = iter(unique.values())
    while block := list(islice(remaining, BLOCK)):
        features.append(backbone.features(block).mean(1))
    return TowerOutputs(readouts, torch.cat(features), rows)


def embed(
    connector: Connector, outputs: TowerOutputs, rows: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """Embeddings of the items `rows` [b] without the gated term: float32 [b, width].

    `noise` is the standard deviation of every feature's noise, [1280]; it and the dropout draw from the
    global generator.
    """
    bags = [outputs.pictures[row] for row in rows.tolist()]
    words = outputs.readouts[rows]
    embedded: torch.Tensor = words + connector.adapter(dropout(words, DROPOUT))
    flat = torch.cat(bags)
    if len(flat):
        unique, inverse = flat.unique(return_inverse=True)
        features = outputs.features[unique]
        features = dropout(features + torch.randn_like(features) * noise, DROPOUT)
        offsets = torch.tensor([0] + [len(bag) for bag in bags[:-1]]).cumsum(0)
        residual = embedding_bag(inverse, connector.pictures(features[:, None]), offsets, mode="mean")
        embedded = embedded + connector.scale * residual
    return embedded


def codes(values: Iterable[str]) -> torch.Tensor:
    """Equal values as equal numbers, int64 [n]."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def repeats(codes: torch.Tensor) -> torch.Tensor:
    """Where two rows have the same code: int64 [b] -> bool [b, b]."""
    return codes[:, None] == codes


def warm_up(encoder: Encoder, pairs: Sequence[Pair], steps: int, seed: int, progress: bool = False) -> float:
    """Train head, adapter and scale in place. Returns the last loss; 0.0 with fewer than two pairs.

    Every step takes pairs of one task, drawn evenly over tasks. Another positive of the same query, another
    query of the same positive and, where membership decides, another pair of the same note are no negatives.
    Only the compact backbone has these parts; other backbones are left as they are. An adapter that was
    trained before starts anew. Raises PictureError for a picture that cannot be decoded.
    """
    backbone = encoder.backbone
    if not isinstance(backbone, CompactBackbone) or len(pairs) < 2 or not steps:
        return 0.0
    torch.nn.init.zeros_(backbone.connector.adapter[2].weight)  # type: ignore[arg-type]
    items = {item.key: item for pair in pairs for item in (pair.query, pair.positive)}
    outputs = tower_outputs(encoder, list(items.values()), progress)
    position = {key: row for row, key in enumerate(items)}
    queries, positives = (
        torch.tensor([position[item.key] for item in side])
        for side in ([pair.query for pair in pairs], [pair.positive for pair in pairs])
    )
    notes = codes(pair.note_id for pair in pairs)
    by_task: dict[str, list[int]] = defaultdict(list)
    for row, pair in enumerate(pairs):
        by_task[pair.task].append(row)
    tasks = [(task, torch.tensor(rows)) for task, rows in by_task.items()]

    connector = copy.deepcopy(backbone.connector).cpu().train()
    trained = [*connector.head.parameters(), *connector.adapter.parameters(), connector.scale]
    matrices, rest = ([p for p in trained if (p.ndim > 1) is matrix] for matrix in (True, False))
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": rest, "weight_decay": 0.0}],
        lr=LEARNING_RATE,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    noise = FEATURE_NOISE * outputs.features.std(0) if len(outputs.features) > 1 else torch.zeros(1)
    contrast = partial(matryoshka_loss, OBJECTIVES["infonce"], dims=encoder.dims, temperature=TEMPERATURE)
    loss = torch.zeros(())
    with torch.random.fork_rng(devices=[]), Progress(disable=not progress, transient=True) as bar:
        torch.manual_seed(seed)
        for _ in bar.track(range(steps), description="warm-up"):
            task, members = tasks[int(torch.randint(len(tasks), ()))]
            rows = members[torch.randperm(len(members))[:BATCH]]
            same = repeats(queries[rows]) | repeats(positives[rows])
            if task not in ATOMIC_TASKS:
                same |= repeats(notes[rows])
            left, right = (embed(connector, outputs, side[rows], noise) for side in (queries, positives))
            own = torch.arange(len(rows))
            both = (contrast(*ends, same, ~same, positive=own) for ends in ((left, right), (right, left)))
            loss = torch.stack(list(both)).mean() / len(encoder.dims)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    backbone.connector.load_state_dict(connector.state_dict())
    return float(loss.detach())
