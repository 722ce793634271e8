"""Frozen towers of the compact backbone, with text outputs cached on disk by text: for experiments.

Words attend to words only, so the text tower's output for an item depends on its texts alone, not on its
pictures; pictures enter by their pooled features. Visual tokens are left out: until the projector is trained
they are noise, so the gate is closed (g = 0), and the vectors equal those of the compact backbone with the
same connector.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import load_file

from uninote.encoder.batching import token_batches
from uninote.encoder.compact.cached import CachedBackbone, Outputs
from uninote.encoder.compact.model import CompactModel
from uninote.encoder.compact.vision import CELLS, CHANNELS
from uninote.encoder.shards import write_shard
from uninote.items import Item
from uninote.progress import show_progress

Texts = tuple[tuple[int, ...], ...]
SHARD = 1024


class WordCache:
    """Cache of the pretrained text tower's read-outs, float32 [width], by the texts' token ids.

    With a folder, shards of safetensors outlive the process; a killed run loses one shard at most.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.rows: dict[bytes, torch.Tensor] = {}
        for shard in sorted(folder.glob("*.safetensors")) if folder else ():
            self._take(load_file(shard))

    def __contains__(self, texts: Texts) -> bool:
        return self._key(texts) in self.rows

    def __getitem__(self, texts: Texts) -> torch.Tensor:
        return self.rows[self._key(texts)]

    @torch.no_grad()
    def fill(self, compact: CompactModel, wanted: Sequence[Texts], progress: bool = False) -> None:
        """Run the tower on missing texts, in batches of similar length."""
        missing = [texts for texts in dict.fromkeys(wanted) if texts not in self]
        missing.sort(key=lambda texts: sum(map(len, texts)))
        with show_progress("text tower", len(missing), show=progress, transient=True) as bar:
            for start in range(0, len(missing), SHARD):
                shard = missing[start : start + SHARD]
                rows = torch.zeros(len(shard), compact.width)
                costs = [2 + sum(len(text) + 1 for text in texts) for texts in shard]
                for batch in token_batches(costs, compact.settings.token_budget):
                    rows[list(batch)] = _read(compact, [shard[n] for n in batch])
                    bar.advance(len(batch))
                keys = np.frombuffer(b"".join(map(self._key, shard)), dtype=np.uint8)
                self._store({"keys": torch.from_numpy(keys.reshape(-1, 16).copy()), "words": rows})

    @staticmethod
    def _key(texts: Texts) -> bytes:
        return hashlib.blake2b(repr(texts).encode(), digest_size=16).digest()

    def _take(self, shard: dict[str, torch.Tensor]) -> None:
        self.rows |= {bytes(key): row for key, row in zip(shard["keys"].numpy(), shard["words"], strict=True)}

    def _store(self, shard: dict[str, torch.Tensor]) -> None:
        self._take(shard)
        if self.folder is None:
            return
        write_shard(shard, self.folder / f"{bytes(shard['keys'][0].numpy()).hex()}.safetensors")


class FrozenTowers(CachedBackbone):
    """`CachedBackbone` without visual tokens, on a `WordCache` that many models share.

    Args:
        compact: with the pretrained text tower; the cache does not distinguish towers.
    """

    def __init__(self, compact: CompactModel, words: WordCache, dropout: float = 0.0) -> None:
        super().__init__(compact, dropout)
        self.words = words
        with torch.no_grad():
            self.connector.gate.zero_()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy, e.g. the anchor of stage 2, that shares the towers and their outputs."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        shared = ("towers", "words", "outputs", "pooled")
        for name, value in self.__dict__.items():
            twin.__dict__[name] = value if name in shared else copy.deepcopy(value, memo)
        return twin

    @torch.no_grad()
    def remember(self, items: Sequence[Item], progress: bool = False) -> None:
        missing = list({item.key: item for item in items if item.key not in self.outputs}.values())
        if not missing:
            return
        texts = [self.compact.texts_of(item) for item in missing]
        pictures = [self.compact.pictures_of(item) for item in missing]
        spoken = [n for n, said in enumerate(texts) if said or not pictures[n]]
        self.words.fill(self.compact, [texts[n] for n in spoken], progress)
        silent = torch.zeros(self.width)
        for item, said, shown in zip(missing, texts, pictures, strict=True):
            words = self.words[said] if said or not shown else silent
            self.outputs[item.key] = Outputs(words, silent, tuple(picture.digest for picture in shown))
            for picture in shown:
                if picture.digest not in self.pooled:
                    self.pooled[picture.digest] = self.compact.features([picture])[0].mean(0, True)


def _read(compact: CompactModel, batch: Sequence[Texts]) -> torch.Tensor:
    """Return the text tower's read-out of texts alone: float32 [n, width]."""
    cls, sep, pad = (
        compact.tokenizer.cls_token_id,
        compact.tokenizer.sep_token_id,
        compact.tokenizer.pad_token_id,
    )
    rows = [
        [cls, *(token for text in texts for token in (*text, sep))] if texts else [cls, sep]
        for texts in batch
    ]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    device = next(compact.parameters()).device
    nothing = torch.zeros(0, CELLS, CHANNELS, device=device)
    words, _ = compact.towers(ids.to(device), torch.full_like(ids, -1).to(device), mask.to(device), nothing)
    return words.cpu()
