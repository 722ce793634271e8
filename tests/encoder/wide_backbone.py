"""Backbone of any width without training: words by hash; some words make bad vectors.

`nan` anywhere in a batch makes all rows of the batch NaN, as a packed batch may. An item `zero` has a zero
vector, `tail` a vector whose first 64 dimensions are zero.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.items import Item
from uninote.settings import MODEL_DIMS, CorpusSettings, EncoderSettings

WIDE = "tests.encoder.wide_backbone:WideSettings"
WORDS = 251


class WideSettings(EncoderSettings):
    implementation: ClassVar[str] = "tests.encoder.wide_backbone:WideBackbone"

    backbone: Literal["wide"] = "wide"
    dims: tuple[int, ...] = MODEL_DIMS
    width: int = 4096


class WideBackbone(nn.Module):
    name = "wide"
    causal = False
    uses_instructions = False

    def __init__(self, width: int, seed: int = 0) -> None:
        super().__init__()
        self.width = width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.words = nn.Embedding(WORDS, width)

    def cost(self, item: Item, instruction: str = "") -> int:
        return 8

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        texts = [" ".join(part if isinstance(part, str) else part.digest for part in i.parts) for i in items]
        rows = [torch.tensor([zlib.crc32(w.encode()) % WORDS for w in text.split()]) for text in texts]
        scale = [
            [float("nan" in text.split()), float("zero" in text), float("tail" in text)] for text in texts
        ]
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)
        return {"ids": padded.clamp(min=0), "mask": (padded >= 0).float(), "scale": torch.tensor(scale)}

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        rows = (self.words(ids) * mask[..., None]).sum(1)
        rows = rows * (1 - scale[:, 1:2])
        rows[scale[:, 2] > 0, :64] = 0
        return rows + (torch.nan if scale[:, 0].any() else 0.0)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.state_dict(), folder / "wide.safetensors")
        (folder / "backbone.json").write_text(json.dumps({"name": self.name, "width": self.width}))

    @classmethod
    def start(
        cls,
        settings: Any,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        return cls(settings.width, seed)

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        backbone = cls(json.loads((folder / "backbone.json").read_text())["width"])
        backbone.load_state_dict(load_file(folder / "wide.safetensors"))
        return backbone
