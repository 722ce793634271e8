"""Qwen-VL backbone: Qwen3-VL, Qwen2.5-VL and other models with the same picture inputs.

    item -> chat blocks -> token rows -> vision tower once per unique picture -> language model -> last token

Weights come from a local folder or the hub, as safetensors; no code is loaded from there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from torch import nn

from uninote.encoder.adapter import add_adapter, save_adapter, with_adapter
from uninote.encoder.device import resolve_device, spare_cores
from uninote.encoder.footprint import Footprint
from uninote.encoder.protocol import Inputs, LoadOptions
from uninote.encoder.qwen.chat import JOINT, Chat
from uninote.encoder.qwen.feature_cache import FeatureCache
from uninote.encoder.qwen.footprint import footprint_of
from uninote.encoder.qwen.last_layer import seen_tokens, shorten_last_layer
from uninote.encoder.qwen.packed_attention import PACKED, Packing
from uninote.encoder.qwen.passes import visual_tokens
from uninote.encoder.qwen.pixels import Pixels
from uninote.encoder.qwen.pretrained import load_pretrained, video_processing
from uninote.encoder.qwen.render import Renderer
from uninote.encoder.qwen.rows import Frame, Spot, collate, share_rows
from uninote.encoder.qwen.settings import QwenSettings
from uninote.encoder.qwen.video import VideoRules
from uninote.encoder.qwen.vision import lighten_tower
from uninote.errors import ItemError, ModelError, reason_of
from uninote.items import Item
from uninote.problems import problem_of
from uninote.settings import CorpusSettings


class QwenVLBackbone(nn.Module):
    """Backbone of the Qwen-VL family; see the module.

    Inputs: those of `rows.collate`; pixels uint8 [p, v] and grids [u, 3] of the unique pictures; known [t,
    width x layers], cached vision features; spots int64 [u, 3], keys of the pictures that are to be cached.

    Attributes:
        base: hub id or folder of the pretrained weights, which are never copied or changed.
        fingerprint: hash of those weights.
        layer_classes: class names of the language model's layers; see `SplitsLayers`.
        reads_last: the last layer is computed for read-outs alone, see `last_layer`.
    """

    name = "qwen-vl"
    causal = True
    uses_instructions = True
    stand_in = False
    """Set by `stand_in.standing_in`."""

    @classmethod
    def start(
        cls,
        settings: QwenSettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        if not settings.model:
            raise ModelError(
                "a Qwen-VL backbone starts from a checkpoint: set encoder.model to a folder or hub id"
            )
        return cls(settings.model, settings, corpus)

    def __init__(
        self,
        base: str | Path,
        settings: QwenSettings | None = None,
        corpus: CorpusSettings | None = None,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings or QwenSettings(model=str(base))
        loaded = load_pretrained(base, self.settings.attention, device or self.settings.device)
        self.base, self.fingerprint = loaded.base, loaded.fingerprint
        self.tokenizer, self.processor = loaded.tokenizer, loaded.processor
        self.model: Any = loaded.model.requires_grad_(False).eval()
        lighten_tower(self.core.visual)
        self.reads_last = shorten_last_layer(self.core)
        self.width = int(self.model.config.get_text_config().hidden_size)
        self.picture_id = int(self.model.config.image_token_id)
        self.video_id = int(self.model.config.video_token_id)
        self.chat = Chat(loaded.tokenizer, self.picture_id)
        place = resolve_device(device or self.settings.device)
        threads = self.settings.decoders or spare_cores(place)
        self.pixels = Pixels(loaded.processor, corpus, threads, pinned=place.type == "cuda")
        video = None
        if self.settings.takes_videos:
            video = VideoRules(video_processing(self.base), self.model.config)
        self.renderer = Renderer(self.settings, self.chat, self.pixels, video)
        self.feature_cache = FeatureCache(self.settings.remember_pictures)
        self._checkpoints = False
        self.checkpoint_layers(self.checkpointing is True)
        self.layer_classes = [name for name in self.model._no_split_modules or () if "Vision" not in name]

    @property
    def core(self) -> Any:
        """Vision tower and language model without the language head, adapters in place."""
        return (self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model).model

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        """Return the items with their videos as the model takes them (`Reads`)."""
        return [self.renderer.seen(item) for item in items]

    def cost(self, item: Item, instruction: str = "") -> int:
        head = len(self.chat.head(instruction))
        blocks = self.renderer.blocks(item, head, warn=False)
        return head + sum(block.length for block in blocks) + len(self.chat.tail)

    def prepare(self, items: Sequence[Item], instruction: str = "") -> Inputs:
        return self.prepare_prefixes([[item] for item in items], instruction)

    def prepare_prefixes(self, chains: Sequence[Sequence[Item]], instruction: str = "") -> Inputs:
        """Prepare chains, see `PrefixBackbone`. An item that is no prefix after trimming gets its own row."""
        (batch,), pictures = self.prepare_step([(chains, instruction)])
        return batch | pictures

    def prepare_step(
        self, chunks: Sequence[tuple[Sequence[Sequence[Item]], str]]
    ) -> tuple[list[Inputs], Inputs]:
        """Prepare a step as in `StepBackbone`. Slots of all batches index the visual tokens of the step."""
        heads = [self.chat.head(instruction) for _, instruction in chunks]
        rendered = [
            [[self.renderer.blocks(item, len(head)) for item in chain] for chain in chains]
            for head, (chains, _) in zip(heads, chunks, strict=True)
        ]
        items = (item for chains, _ in chunks for chain in chains for item in chain)
        pictures = {picture.digest: picture for item in items for picture in item.pictures}
        blocks = (block for chains in rendered for chain in chains for blocks in chain for block in blocks)
        shown = {(block.digest, block.side): block.visual for block in blocks if block.visual}
        recalled = {} if self.tower_trains else {spot: self.feature_cache.get(spot) for spot in shown}
        known = {spot: found for spot, found in recalled.items() if found is not None}
        unseen = [spot for spot in shown if spot not in known]
        first: dict[Spot, int] = {}
        visual = 0
        for spot in (*unseen, *known):
            first[spot] = visual
            visual += shown[spot]
        batches = []
        for head, chains in zip(heads, rendered, strict=True):
            frame = Frame(head, self.chat.tail, self.picture_id, self.pixels.unit, self.video_id)
            rows, order = share_rows(chains, frame, first, self.packs)
            batches.append(collate(rows, order, self.tokenizer.pad_token_id or 0, self.packs))
        shared: dict[str, torch.Tensor] = {}
        if unseen:
            sources = {digest: [pictures[one] for one in digest.split(JOINT)] for digest, _ in unseen}
            shared |= self.pixels.batch(unseen, sources, self.stand_in)
            if self.feature_cache.size:
                shared["spots"] = torch.tensor([FeatureCache.key(spot) for spot in unseen])
        if known:
            shared["known"] = torch.cat(list(known.values()))
        return batches, shared

    @property
    def packs(self) -> bool:
        """True when a batch is packed, and prefixes share a row; else every item has a padded row of its own.

        A linear attention layer (Qwen3.5) reads tokens in row order; `eager` is the library's own attention.
        """
        config = self.core.language_model.config
        layers = set(getattr(config, "layer_types", None) or ["full_attention"])
        return layers == {"full_attention"} and config._attn_implementation == PACKED

    def forward(
        self,
        ids: torch.Tensor,
        slots: torch.Tensor,
        positions: torch.Tensor,
        readout: torch.Tensor,
        sequences: torch.Tensor | None = None,
        pixels: torch.Tensor | None = None,
        grids: torch.Tensor | None = None,
        spots: torch.Tensor | None = None,
        known: torch.Tensor | None = None,
        features: torch.Tensor | None = None,
    ) -> torch.Tensor:
        core = self.core
        embedded = core.get_input_embeddings()(ids)
        extra: dict[str, Any] = {} if sequences is None else {"packing": Packing(sequences)}
        if pixels is not None or known is not None:
            features = self.see(pixels, grids, spots, known)
        if features is not None:
            here = slots >= 0
            visual, *deep = features[slots[here]].split(self.width, dim=1)
            embedded = embedded.masked_scatter(here[..., None], visual.to(embedded.dtype))
            if deep:  # DeepStack of Qwen3-VL: features of earlier vision layers join the first layers
                extra |= {"visual_pos_masks": here, "deepstack_visual_embeds": deep}
        if self.reads_last:
            extra |= {"readout": readout, "seen": seen_tokens(readout, ids.shape, sequences)}
        states = core.language_model(
            inputs_embeds=embedded,
            position_ids=positions.permute(2, 0, 1),
            attention_mask=None,
            use_cache=False,
            **extra,
        ).last_hidden_state
        read: torch.Tensor = (states[0] if self.reads_last else states[readout[:, 0], readout[:, 1]]).float()
        return read

    @property
    def tower_trains(self) -> bool:
        return any(parameter.requires_grad for parameter in self.core.visual.parameters())

    @property
    def checkpointing(self) -> bool | None:
        given = self.settings.gradient_checkpointing
        return None if given == "auto" else given

    def checkpoint_layers(self, on: bool) -> None:
        # Releases of transformers that have the new name call the old one deprecated.
        kind = "activation" if hasattr(self.model, "activation_checkpointing_enable") else "gradient"
        if on and not self._checkpoints:  # takes effect in training mode only
            getattr(self.model, f"{kind}_checkpointing_enable")({"use_reentrant": False})
        elif self._checkpoints and not on:
            getattr(self.model, f"{kind}_checkpointing_disable")()
        self._checkpoints = on

    def footprint(self) -> Footprint:
        return footprint_of(self.model, self.tower_trains)

    def see(
        self,
        pixels: torch.Tensor | None = None,
        grids: torch.Tensor | None = None,
        spots: torch.Tensor | None = None,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return visual tokens of all pictures [t, width x (1 + DeepStack layers)], known ones last."""
        trains = self.tower_trains
        found: list[torch.Tensor] = []
        if pixels is not None and grids is not None:
            with torch.set_grad_enabled(trains and torch.is_grad_enabled()):
                normalised = partial(self.pixels.normalised, dtype=self.model.dtype)
                found.append(visual_tokens(self.core, pixels, grids, normalised))
            if spots is not None and not trains:
                sizes = grids.prod(1) // self.processor.merge_size**2
                self.feature_cache.put(spots.tolist(), found[0].split(sizes.tolist()))
        if known is not None:
            found.append(known.to(self.core.get_input_embeddings().weight.dtype))
        return torch.cat(found) if len(found) > 1 else found[0]

    def add_lora(self, rank: int, alpha: int, dropout: float) -> None:
        """Add adapters. The vision tower stays frozen unless `lora_targets` names layers of it.

        Raises ModelError when `lora_targets` fits no layer.
        """
        targets = self.settings.lora_targets
        try:
            self.model = add_adapter(self.model, targets, rank, alpha, dropout)
        except (ValueError, re.error) as error:
            raise ModelError(
                f"encoder.lora_targets {targets!r} fits no layer of {self.base}: {reason_of(error)}"
            ) from error

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(self.model, folder, save_embedding_layers=False)
        stored = {"base": self.base, "fingerprint": self.fingerprint, "settings": self.settings.model_dump()}
        (folder / "backbone.json").write_text(json.dumps({"name": self.name, **stored}, indent=2))

    @classmethod
    def load(cls, folder: Path, options: LoadOptions) -> Self:
        try:
            stored = json.loads((folder / "backbone.json").read_text())
            settings = QwenSettings(**QwenSettings.only(stored["settings"] | dict(options.changes)))
            backbone = cls(options.base or stored["base"], settings, options.corpus, options.device)
            if backbone.fingerprint != stored["fingerprint"]:
                raise ModelError(
                    f"{backbone.base} holds other weights than those that {folder} was trained on: "
                    "name their folder in encoder.model, or as `base` in Python"
                )
            backbone.model = with_adapter(backbone.model, folder)
            if "lora_targets" in options.changes and hasattr(backbone.model, "peft_config"):
                raise ModelError(
                    f"{folder} has adapters on the layers {stored['settings']['lora_targets']!r}: leave "
                    "encoder.lora_targets out, or train from the pretrained model"
                )
        except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{folder} is not a whole Qwen-VL model: {problem_of(error)}") from error
        return backbone

    def export_layouts(self) -> Mapping[str, str]:
        return {"transformers": "transformers", "sentence-transformers": "transformers"}

    def export_limits(self) -> Sequence[str]:
        most = self.renderer.limits()
        limits = [
            f"A server does not trim as UniNote does: send at most {most['max_pictures']} pictures and "
            f"{most['max_tokens']} tokens an item, and all pictures within {most['note_pixels']} pixels."
        ]
        if self.settings.takes_videos:
            limits.append("A server cannot read videos as this model was trained to: embed those by UniNote.")
        return limits
