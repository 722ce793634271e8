"""Warm-up of the compact backbone's residual head on cached features: seconds, before stage 1.

The head starts random, so a picture's embedding says nothing and stage 1 would spend most of its steps on
that alone. Here it learns, without running the text tower, to point at the sentence embedding of the
picture's own description or OCR text (symmetric InfoNCE over the batch; a repeated text is no negative,
nor is another text of the same picture).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import torch
from rich.progress import Progress
from torch.nn.functional import cross_entropy

from uninote.encoder import Encoder
from uninote.encoder.compact import CompactBackbone
from uninote.encoder.matryoshka import truncate
from uninote.items import Item, Note, Picture

BATCH = 512
TEMPERATURE = 0.05
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.05
FEATURE_NOISE = 0.1


def warmup_pairs(notes: Sequence[Note]) -> list[tuple[Picture, str]]:
    """Every picture with its description and, apart, with its OCR text."""
    pictures = [picture for note in notes for picture in note.pictures]
    texts = [(p, p.description) for p in pictures] + [(p, p.ocr_text) for p in pictures]
    return [(picture, text) for picture, text in texts if text.strip()]


def codes(values: Iterable[str]) -> torch.Tensor:
    """Equal values as equal numbers, int64 [n]."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def in_batch_infonce(left: torch.Tensor, right: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    """Symmetric InfoNCE of unit rows [b, d], [b, d]; `same` [b, b] bool marks repeats that do not count."""
    scores = (left @ right.T / TEMPERATURE).masked_fill(same & ~torch.eye(len(same)).bool(), -torch.inf)
    target = torch.arange(len(scores))
    return (cross_entropy(scores, target) + cross_entropy(scores.T, target)) / 2


def warm_up(encoder: Encoder, notes: Sequence[Note], steps: int, seed: int, progress: bool = False) -> float:
    """Train the head in place. Returns the last loss; 0.0 when there is nothing to learn from.

    Only the compact backbone has a head to warm up; other backbones are left as they are. Raises
    PictureError for a picture that cannot be decoded.
    """
    backbone = encoder.backbone
    pairs = warmup_pairs(notes)
    if not isinstance(backbone, CompactBackbone) or len(pairs) < 2 or not steps:
        return 0.0
    targets = torch.from_numpy(encoder.encode([Item.of(text) for _, text in pairs]))
    texts, pictures = codes(text for _, text in pairs), codes(picture.digest for picture, _ in pairs)
    cells = torch.cat(
        [backbone.features([p for p, _ in pairs[i : i + BATCH]]).mean(1) for i in range(0, len(pairs), BATCH)]
    )

    head = copy.deepcopy(backbone.connector.head).cpu().train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    spread = cells.std(0, keepdim=True)
    loss = torch.zeros(())
    with Progress(disable=not progress) as bar:
        for _ in bar.track(range(steps), description="warm-up"):
            rows = torch.randperm(len(pairs), generator=generator)[:BATCH]
            noise = torch.randn(len(rows), cells.shape[1], generator=generator) * spread * FEATURE_NOISE
            same = (texts[rows, None] == texts[rows]) | (pictures[rows, None] == pictures[rows])
            heads = truncate(head(cells[rows] + noise), targets.shape[1])
            loss = in_batch_infonce(heads, targets[rows], same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    backbone.connector.head.load_state_dict(head.state_dict())
    return float(loss.detach())
