"""Third backbone of a few hundred weights, as another package would bring it; also fast enough for many runs.

`uninote.backbones.BACKBONES["tiny"] = "tests.training.tiny_backbone:TinySettings"`, or an entry point of the
same value, registers it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from uninote.encoder import Encoder
from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.items import Item
from uninote.negatives import Example
from uninote.settings import CorpusSettings, EncoderSettings
from uninote.tasks.definitions import Pair, Task

WORDS = 61
TINY = "tests.training.tiny_backbone:TinySettings"


class TinySettings(EncoderSettings):
    implementation: ClassVar[str] = "tests.training.tiny_backbone:TinyBackbone"

    backbone: Literal["tiny"] = "tiny"
    dims: tuple[int, ...] = (8, 16)
    dropout: float = 0.0


class TinyBackbone(nn.Module):
    """Words and pictures by hash, embedded, averaged, mixed; `seen` counts the items of each forward pass."""

    name = "tiny"
    width = 16
    causal = False
    uses_instructions = True

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.words = nn.Embedding(WORDS, self.width)
            self.mix = nn.Sequential(
                nn.Linear(self.width, 24), nn.Dropout(dropout), nn.Tanh(), nn.Linear(24, self.width)
            )
        self.words.requires_grad_(False)
        self.seen: list[int] = []

    def _ids(self, item: Item, instruction: str) -> list[int]:
        parts = (part if isinstance(part, str) else part.digest for part in item.parts)
        words = f"{instruction} {' '.join(parts)}".split() or [""]
        return [zlib.crc32(word.encode()) % WORDS for word in words]

    def cost(self, item: Item, instruction: str = "") -> int:
        return len(self._ids(item, instruction))

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        rows = [torch.tensor(self._ids(item, instruction)) for item in items]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        return {"ids": padded.clamp(min=0), "mask": (padded >= 0).float()}

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(ids))
        pooled = (self.words(ids) * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        mixed: torch.Tensor = pooled + self.mix(pooled)
        return mixed

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "tiny.safetensors")
        (folder / "backbone.json").write_text(json.dumps({"name": self.name}))
        with (folder / "saves").open("a") as log:
            log.write("saved\n")

    @classmethod
    def start(
        cls,
        settings: TinySettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        return cls(settings.dropout)

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        backbone = cls()
        backbone.load_state_dict(load_file(folder / "tiny.safetensors"))
        return backbone


def tiny_encoder(dropout: float = 0.0) -> Encoder:
    return Encoder.build(TinySettings(dropout=dropout, device="cpu"))


class HashedReference:
    """A reference encoder without a model: the same text, the same unit vector."""

    def encode(self, items: Sequence[Item]) -> NDArray[np.float32]:
        rows = [
            np.random.default_rng(zlib.crc32(item.key.encode())).standard_normal(8, dtype=np.float32)
            for item in items
        ]
        return np.stack([row / np.linalg.norm(row) for row in rows])


def tiny_examples(count: int = 22) -> list[Example]:
    """Make examples of two tasks: texts of different lengths, one mined negative each."""
    made = []
    for n in range(count):
        task = Task.T2I if n % 2 else Task.T2NOTE
        query = Item.of(" ".join(f"w{n + k}" for k in range(1 + n % 4)))
        positive = Item.of(f"p{n} " * (1 + n % 3) + f"w{n}")
        pair = Pair(task, query, positive, f"note{n}", 0)
        made.append(Example(pair, (Item.of(f"hard {n} w{n + 1}"),), (0.3,), 0.9))
    return made


def items_of(examples: Sequence[Example]) -> list[Item]:
    return [item for e in examples for item in (e.pair.query, e.pair.positive, *e.negatives)]
